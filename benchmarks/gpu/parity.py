"""Step a: the engine's paths against the plain one on every architecture, on this device."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.gpu.shapes import CASES, asked
from harness.engines.hf.engine import HFEngine
from tests.harness.engines.tiny import configurations, write_adapter, write_model


def run(result: Any, dry: bool, _: Path | None) -> None:
    """Float32: scores within 1e-4, flags and texts equal. bfloat16: how far, against the same."""
    scores = [r for name in ("hoc5", "ddi0") for r in asked(CASES[name].small(), 6)]
    texts = [r for seed in range(3) for r in asked(CASES["ner5"].small(), 8, seed)]
    names = list(configurations())
    with tempfile.TemporaryDirectory() as folder:
        for name in names[:3] + names[-3:] if dry else names:
            model = write_model(Path(folder) / name, name)
            adapter = write_adapter(Path(folder) / f"{name}-a", model)
            exact = HFEngine(model, dtype="float32")
            plain = HFEngine(model, dtype="float32", path="plain")
            half = HFEngine(model, dtype="bfloat16")
            a, b, c = (_all(engine.score(scores)) for engine in (exact, plain, half))
            path = exact.report.path
            d, e = (
                [text for which in (None, adapter) for text in _all(engine.generate(texts, which))]
                for engine in (exact, plain)
            )
            figure = {
                "architecture": name,
                "scoring": path,
                "generation": exact.report.path,
                "float32, largest difference": _difference(a, b),
                "flags equal": sum(x.greedy == y.greedy for x, y in zip(a, b, strict=True)),
                "of": len(a),
                "texts equal": sum(x.text == y.text for x, y in zip(d, e, strict=True)),
                "of texts": len(d),
                "bfloat16, largest difference": _difference(c, a),
            }
            result.add(**figure)
            if figure["float32, largest difference"] > 1e-4 or figure["texts equal"] < len(d):
                raise AssertionError(f"{name} differs from the plain path: {figure}")


def _all(calls: Any) -> list[Any]:
    found = dict(pair for call in calls for pair in call)
    return [found[i] for i in range(len(found))]


def _difference(left: list[Any], right: list[Any]) -> float:
    pairs = zip(left, right, strict=True)
    return max(abs((x.loglikelihood or 0.0) - (y.loglikelihood or 0.0)) for x, y in pairs)
