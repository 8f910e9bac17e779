"""Step d: tokens a second of decoding by rows, against transformers' own ways."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.shapes import CASES, asked, engine_over, made, synchronised
from harness.engines.base import EngineReport

ROWS = (8, 64, 1, 256)
WRITTEN = 32
# transformers' eager decoding, and its static cache, whose step is compiled and launched at once.
WAYS: dict[str, dict[str, Any]] = {"eager": {}, "static": {"cache_implementation": "static"}}


def run(result: Any, dry: bool, _: Path | None) -> None:
    """Rows that all write to the end, their prompts of one length."""
    import torch

    model = made("1.5B", dry, "float32" if dry else "bfloat16")
    engine = engine_over(model, 96 if dry else 4096)
    case = CASES["ner5"].small() if dry else CASES["ner5"]
    for rows in (4, 1) if dry else ROWS:
        requests = asked(case, rows)
        for _ in engine.generate(asked(case, 2, seed=1)):
            pass
        engine.report = EngineReport()
        for _ in engine.generate(requests):
            pass
        report = engine.report
        result.add(rows=rows, way="engine", tokens=report.tokens_generated,
                   tokens_per_second=report.tokens_generated / report.seconds_decode)  # fmt: skip
        ids = torch.tensor([r.prompt for r in requests], device=model.device)
        for way, options in WAYS.items():
            if way == "static" and (dry or rows > 64):
                continue

            def seconds(new: int, ids: Any = ids, options: Any = options) -> float:
                synchronised()
                began = time.perf_counter()
                with torch.inference_mode():
                    model.generate(
                        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new,
                        min_new_tokens=new, do_sample=False, pad_token_id=0, **options,
                    )  # fmt: skip
                synchronised()
                return time.perf_counter() - began

            try:
                seconds(2)
                first = seconds(2)
                whole = seconds(2 + WRITTEN)
            except Exception as error:
                result.add(rows=rows, way=way, error=f"{type(error).__name__}: {error}"[:300])
                continue
            result.add(rows=rows, way=way, tokens=rows * WRITTEN,
                       tokens_per_second=rows * WRITTEN / max(whole - first, 1e-9))  # fmt: skip
