"""How long a large board takes to build, from made-up records.

    python -m benchmarks.boards [--models 50] [--tasks 40] [--items 500]

Half the models are specialised ones, compared with the other half; a third of
the tasks is scored by accuracy, by micro-F1 and by per-label macro-F1 each, and
a quarter of the accuracy tasks has a ranking twin. Prints seconds, processor time
(which other work on the machine does not lengthen), the share of two plain matrix
products of the same size, and peak memory.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from benchmarks.options import options_of
from harness.types import Record
from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.render import render_csv, render_json, render_markdown

METRICS = {"accuracy": "mean_score", "span_f1": "micro_f1", "macro_f1": "macro_f1"}


def made_up(models: int, tasks: int, items: int) -> list[Record]:
    """Records of `models` models on `tasks` tasks of `items` items each."""
    rng = np.random.default_rng(0)
    names = [f"m{number // 2:02}" for number in range(models)]
    names = [name if n % 2 == 0 else f"special-{name}" for n, name in enumerate(names)]
    records = []
    for task in range(tasks):
        metric = list(METRICS)[task % 3]
        for name in names:
            records.append(_record(rng, name, f"task{task:02}", "", metric, items))
            if metric == "accuracy" and task % 12 == 0:
                twin = f"task{task:02}_rank"
                records.append(_record(rng, name, twin, f"task{task:02}", metric, items))
    return records


def _record(
    rng: np.random.Generator, name: str, task: str, rank_of: str, metric: str, items: int
) -> Record:
    values: list[object]
    if metric == "accuracy":
        values = rng.integers(0, 2, items).tolist()
    elif metric == "span_f1":
        values = rng.integers(0, 4, (items, 3)).tolist()
    else:
        values = np.stack([np.arange(items) % 5, rng.integers(-1, 5, items)], axis=1).tolist()
    specializer, _, base = name.rpartition("-")
    manifest = {
        "model": name, "base": base, "specializer": specializer, "artifact": "",
        "artifact_facts": {}, "model_digest": base, "model_kind": "base", "suite": "made_up",
        "task": task, "task_title": task, "task_kind": "other", "task_version": "1",
        "rank_of": rank_of, "stand_in": "", "shots": 0, "draw": 0, "limit": 0, "n_full": items,
        "chat": False, "decoding": {}, "numerics": {}, "main_metric": metric,
        "metrics": {metric: {"aggregation": METRICS[metric], "higher_is_better": True}},
        "redistribute": True, "packages": {},
    }  # fmt: skip
    rows = tuple(
        {
            "id": str(i), "status": "ok", "metrics": {metric: value}, "document": str(i),
            "responses": [],
        }
        for i, value in enumerate(values)
    )  # fmt: skip
    summary = {
        "n": items, "n_full": items, "n_scored": items, "n_unparseable": 0, "n_error": 0,
        "n_cut": 0, "complete": True, "metrics": {},
    }  # fmt: skip
    return Record(manifest, rows, summary)


def main() -> None:
    """Build one board and print what it took."""
    args = options_of(__doc__, models=50, tasks=40, items=500, resamples=10_000)
    records = made_up(args.models, args.tasks, args.items)
    began, used = time.perf_counter(), time.process_time()
    board = build(records, BoardSpec("made_up", resamples=args.resamples))
    built, used = time.perf_counter() - began, time.process_time() - used
    began = time.perf_counter()
    size = sum(len(form(board)) for form in (render_json, render_markdown, render_csv))
    rendered = time.perf_counter() - began
    weights, values = np.ones((args.resamples, args.items)), np.ones((args.items, args.models))
    began = time.perf_counter()
    for _ in range(2 * args.tasks):
        weights @ values
    product = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{args.models} models x {args.tasks} tasks x {args.items} items x {args.resamples} "
        f"resamples: {built:.1f} s to build ({used:.1f} s of processor time), "
        f"{rendered:.2f} s to render {size / 2**20:.1f} MiB; "
        f"{built / product:.0f} times the bare matrix products; peak {memory:.2f} GiB"
    )


if __name__ == "__main__":
    main()
