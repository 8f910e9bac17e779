"""Planner time and memory for large jobs of made-up requests; no model is run.

    python benchmarks/planner.py [--requests 100000,1000000] [--root 200] [--document 60]

Each request is a shared root, one of requests/4 documents, and one of four
answers. Prints seconds to build the forest, to plan it, to lay the passes out,
and the peak memory beyond that of the requests.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", default="10000,100000,1000000")
    parser.add_argument("--root", type=int, default=200)
    parser.add_argument("--document", type=int, default=60)
    options = parser.parse_args()
    print(
        "| requests | tokens asked | distinct nodes | passes | forest | plan | lay-out | memory |\n"
        + "|---" * 8
        + "|"
    )
    for requests in options.requests.split(","):
        print(measure(int(requests), options.root, options.document), flush=True)


if __name__ == "__main__":
    main()
