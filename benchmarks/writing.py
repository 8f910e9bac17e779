"""How long a base takes to write tasks and answers for texts of a corpus, and on what.

    python -m benchmarks.writing MODEL_FOLDER CORPUS [--domain biomed] [--examples 60]
                                 [--calls 96] [--round 96] [--dtype bfloat16]

The stage of self-specialization (budget small, no gate, no loss with and without instruction)
alone, into an empty response store. Prints one Markdown row: seconds of reading prompts and of
writing (wall), of all (processor); tokens asked, computed and written; tasks tried and answers
kept. Take OMP_NUM_THREADS=1 on a shared machine, and compare runs of one sitting.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.options import options_of
from harness.engines.hf.engine import HFEngine
from harness.pool import ModelPool, PooledBase
from harness.progress import NullProgress
from harness.types import LocalModel, ModelSpec
from specializers.domain import DOMAINS, load_domain
from specializers.parameters import take
from specializers.selfspec.budgets import BUDGETS
from specializers.selfspec.grounded.params import GroundedParams
from specializers.selfspec.grounded.stage import write_grounded

HEADER = (
    "| asked | computed | written | reading | writing | seconds | tasks | kept |\n"
    "|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    options = options_of(
        __doc__, "model", "corpus", domain="biomed", examples=60, calls=96, round=96,
        dtype=("bfloat16", "float32"),
    )  # fmt: skip
    logging.disable(logging.WARNING)
    engine = HFEngine(options.model.absolute(), dtype=options.dtype)
    spec = ModelSpec("base", f"path:{options.model.absolute()}", dtype=options.dtype)
    local = LocalModel(spec, options.model.absolute(), "0" * 64)
    domain = replace(load_domain(DOMAINS / options.domain), corpus=options.corpus.absolute())
    asked = {"examples": options.examples, "max_calls": options.calls, "gate_seeds": 0, "ifd": 0.0}
    params = {**BUDGETS["small"], **asked, "calls_per_round": options.round}
    with tempfile.TemporaryDirectory() as responses:
        pool = ModelPool(lambda _: local, Path(responses), NullProgress(), engine=lambda _: engine)
        began = time.process_time()
        written = write_grounded(
            PooledBase(pool, spec), domain, take(GroundedParams, params), NullProgress()
        )
        seconds = time.process_time() - began
    report = engine.report
    kept = sum(row["dropped"] is None for row in written.answers)
    print(f"{torch.get_num_threads()} threads, {engine.dtype}\n\n{HEADER}")
    print(
        f"| {report.tokens_asked:,} | {report.tokens_computed:,} | {report.tokens_generated:,} "
        f"| {report.seconds_prefill:.0f} s | {report.seconds_decode:.0f} s | {seconds:.0f} s "
        f"| {len(written.tasks)} | {kept} |"
    )


if __name__ == "__main__":
    main()
