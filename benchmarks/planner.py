"""Planner time and memory for large jobs of made-up requests; no model is run.

    python -m benchmarks.planner [--requests 100000,1000000] [--root 200] [--document 60]

Each request is a shared root, one of requests/4 documents, and one of four
answers. Prints seconds to build the forest, to plan it, to lay the passes out,
and the peak memory beyond that of the requests.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from benchmarks.options import options_of
from harness.engines.prefix import Forest, flatten, plan_packed

BUDGET = 512


def peak() -> float:
    """Highest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(requests: int, root: int, document: int) -> str:
    """One row of the table."""
    rng = np.random.default_rng(0)
    shared = rng.integers(0, 50_000, root)
    documents = rng.integers(0, 50_000, (requests // 4, document))
    before = peak()
    started = time.perf_counter()
    forest = Forest(
        np.concatenate([shared, documents[i // 4], [i % 4, 7, 7]]) for i in range(requests)
    )
    built = time.perf_counter() - started
    started = time.perf_counter()
    steps = list(plan_packed(forest, BUDGET))
    planned = time.perf_counter() - started
    first = forest.length - 3
    started = time.perf_counter()
    some = steps[:: max(1, len(steps) // 200)]
    for step in some:
        flatten(forest, step, first)
    laid = (time.perf_counter() - started) * len(steps) / len(some)
    return (
        f"| {requests:,} | {forest.asked:,} | {forest.nodes:,} | {len(steps):,} | {built:.1f} s "
        f"| {planned:.1f} s | {laid:.1f} s | {peak() - before:.0f} MiB |"
    )


def main() -> None:
    options = options_of(__doc__, requests="10000,100000,1000000", root=200, document=60)
    print(
        "| requests | tokens asked | distinct nodes | passes | forest | plan | lay-out | memory |\n"
        + "|---" * 8
        + "|"
    )
    for requests in options.requests.split(","):
        print(measure(int(requests), options.root, options.document), flush=True)


if __name__ == "__main__":
    main()
