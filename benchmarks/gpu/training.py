"""Step e: training and scoring at the paper's own size, seconds a stage."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.gpu.shapes import CASES, asked, peak, synchronised
from harness.engines.hf.engine import HFEngine
from harness.progress import NullProgress
from specializers.parameters import take
from specializers.selfspec.budgets import BUDGETS
from specializers.training.examples import TrainingExample, render
from specializers.training.params import TrainParams
from specializers.training.trainer import train_lora
from tests.harness.engines.tiny import write_model

EXAMPLES = 5000


def run(result: Any, dry: bool, weights: Path | None) -> None:
    """Real weights where they travelled; examples are made up, as only cost is measured."""
    with tempfile.TemporaryDirectory() as folder:
        model = weights or write_model(Path(folder) / "model", "llama")
        result.add(what="weights", real=bool(weights), folder=str(model))
        params = take(TrainParams, BUDGETS["paper"])
        if dry or not weights:
            params = replace(
                params, quantisation="", max_length=64, epochs=1, gradient_checkpointing=False
            )
        count = 64 if dry else EXAMPLES
        began = time.perf_counter()
        out = Path(folder) / "out"
        out.mkdir()
        peak(reset=True)
        facts = train_lora(model, "checked", examples(count), out, params, NullProgress())
        synchronised()
        seconds = time.perf_counter() - began
        told = {key: value for key, value in facts.items() if isinstance(value, int | float)}
        result.add(what="trained", examples=count, seconds=seconds, peak=peak(), facts=told)
        engine = HFEngine(model, dtype="float32" if dry else "auto")
        case = CASES["ddi5"].small() if dry or not weights else CASES["ddi5"]
        for what, adapter in (("base scored", None), ("adapter scored", out / "adapter")):
            began = time.perf_counter()
            requests = asked(case, 8 if dry else 200)
            for _ in engine.score(requests, adapter):
                pass
            result.add(what=what, requests=len(requests), seconds=time.perf_counter() - began)


def examples(count: int) -> list[TrainingExample]:
    """Tasks of some 40 words with answers of some ten."""
    words = [f"w{n}" for n in range(100)]
    return [
        render(
            "plain", "Copy these words.", " ".join(words[(n * 7 + i) % 100] for i in range(40)),
            " ".join(words[(n * 7 + i) % 100] for i in range(10)),
        )
        for n in range(count)
    ]  # fmt: skip
