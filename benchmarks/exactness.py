"""How far the engine and lm-eval's transformers backend are from the model in float64.

    python -m benchmarks.exactness MODEL_FOLDER [--cases hoc0] [--items 6]

Two programs in float32 differ by the rounding of both; this says whose it is.
Real text with BENCH_DATA, as in engine.py.
Prints a Markdown row per case: the largest difference of a log-likelihood, in nats.
"""

from __future__ import annotations

import logging
import time

from benchmarks.engine import CASES, Bench, prompts
from benchmarks.options import options_of
from harness.engines.hf.engine import HFEngine


def largest(left: list[float], right: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(left, right, strict=True))


def main() -> None:
    options = options_of(__doc__, "model", cases="hoc0", items=6, batch=8)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.models.huggingface import HFLM

    engine = HFEngine(options.model, dtype="float32")
    benches = {
        dtype: Bench(
            engine,
            HFLM(str(options.model), dtype=dtype, device="cpu", batch_size=batch),
            time.perf_counter,
        )
        for dtype, batch in (("float32", options.batch), ("float64", 1))
    }
    print("| case | log-likelihoods | engine to backend | engine to float64 | backend to float64 |")
    print("|---" * 5 + "|")
    for name in options.cases.split(","):
        asked = prompts(CASES[name], options.items)
        ours = [value for value, _ in benches["float32"].ours(*asked)[1]]
        theirs, exact = (
            [value for value, _ in benches[dtype].theirs(*asked)[1]]
            for dtype in ("float32", "float64")
        )
        print(
            f"| {name} | {len(ours)} | {largest(ours, theirs):.1e} | {largest(ours, exact):.1e} "
            f"| {largest(theirs, exact):.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
