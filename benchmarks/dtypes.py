"""Do bfloat16 and float32 give one answer? What `dtype = "auto"` on a CPU must know first.

    python -m benchmarks.dtypes MODEL_FOLDER [--tasks biomed,biomed-rank] [--limit 20] [--shots 0]

The requests are `bench run`'s own. Per task: items whose best choice is the same, the largest
difference of a log-likelihood (nats), greedy texts that are equal; at the end which of both
dtypes is faster on this machine (`fastest`) and by how much. On a processor without bfloat16
instructions the answers can be compared, the speed says nothing. Data sets under BENCH_DATA.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.scoring import Asking, load_tasks, planned
from bench.workspace import Workspace
from benchmarks.options import options_of
from harness.ask import Asker
from harness.engines.hf.engine import HFEngine
from harness.lm import StoredLM
from harness.progress import NullProgress
from harness.run import put_requests
from harness.types import ModelSpec, Response

DTYPES = ("float32", "bfloat16")


def agreement(task: Any, given: dict[str, list[list[Response]]]) -> str:
    """A row of the table: what both dtypes said to one task's requests."""
    left, right = ([one[0] for one in given[dtype]] for dtype in DTYPES)
    pairs = list(zip(left, right, strict=True))
    if left and left[0].kind == "generation":
        return f"| | | {sum(a.text == b.text for a, b in pairs)} of {len(pairs)} |"
    items: dict[int, list[tuple[float, float]]] = {}
    for instance, (a, b) in zip(task.instances, pairs, strict=True):
        both = (a.loglikelihood or 0.0, b.loglikelihood or 0.0)
        items.setdefault(instance.doc_id, []).append(both)
    same = sum(
        max(range(len(rows)), key=lambda n: rows[n][0])
        == max(range(len(rows)), key=lambda n: rows[n][1])
        for rows in items.values()
    )
    largest = max(abs(a - b) for rows in items.values() for a, b in rows)
    return f"| {same} of {len(items)} | {largest:.2g} | |"


def main() -> None:
    options = options_of(__doc__, "model", tasks="biomed-mini,biomed-mini-rank", limit=20, shots=0)
    logging.disable(logging.WARNING)
    folder = options.model.absolute()
    lms = {
        dtype: StoredLM(Asker(HFEngine(folder, dtype=dtype), None, None, NullProgress()), "m")
        for dtype in DTYPES
    }
    data = Path(root) if (root := os.environ.get("BENCH_DATA")) else None
    seconds = dict.fromkeys(DTYPES, 0.0)
    with tempfile.TemporaryDirectory() as out:
        workspace = Workspace(Path(out), data=data, progress=NullProgress())
        workspace.register(ModelSpec("measured", f"path:{folder}"))
        asking = Asking(tuple(options.tasks.split(",")), (options.shots,), limit=options.limit)
        tasks, jobs = planned(workspace, asking, workspace.resolve_all(["measured"]))
        built = load_tasks(workspace, jobs, tasks)
        print("| task | same choice | largest difference | texts equal |\n" + "|---" * 4 + "|")
        for job in jobs:
            task = built[job.shots, job.draw, job.wording][job.task]
            put_requests(job, task, lms["float32"], None)
            given = {}
            for dtype, lm in lms.items():
                began = time.process_time()
                given[dtype] = lm.respond(task.instances)
                seconds[dtype] += time.process_time() - began
            print(f"| {job.task} {agreement(task, given)}", flush=True)
    told = ", ".join(f"{dtype} {taken:.0f} s" for dtype, taken in seconds.items())
    print(f"\nProcessor time with loading and probing: {told}")


if __name__ == "__main__":
    main()
