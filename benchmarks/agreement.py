"""Every metric of `bench run` against lm-eval's own transformers backend.

The same YAML, shots, items and chat template, in float32; prints both values
and the largest difference, and exits with 1 if it exceeds the tolerance.

    python -m benchmarks.agreement --model smollm2 --tasks biomed-mini --shots 0,2 --limit 6
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench import cli
from bench.config import load_config
from bench.plugins import open_registry
from benchmarks.options import options_of
from harness.models.sources import fetch
from harness.record import read_records

TOLERANCE = 1e-6  # a metric is a ratio of counts: equal answers give equal numbers


def main() -> int:
    """Run both; 0 if they agree."""
    args = options_of(
        __doc__, model="smollm2", tasks="biomed-mini,biomed-mini-rank", shots="0", limit=10,
        chat=("auto", "on", "off"), batch=8, out=None,
    )  # fmt: skip
    out = args.out or Path(tempfile.mkdtemp())
    began = time.perf_counter()
    code = cli.main(
        ["run", "--models", args.model, "--tasks", args.tasks, "--shots", args.shots,
         "--limit", str(args.limit), "--chat", args.chat, "--dtype", "float32",
         "--out", str(out), "--quiet"]
    )  # fmt: skip
    if code:
        return code
    ours = time.perf_counter() - began
    records = [r for r in read_records(out / "runs") if r.manifest["model"] == args.model]
    worst, theirs = 0.0, 0.0
    print("| task | shots | n | metric | bench | lm-eval | difference |")
    print("|---|---|---|---|---|---|---|")
    for shots in sorted({r.manifest["shots"] for r in records}):
        cells = [r for r in records if r.manifest["shots"] == shots]
        began = time.perf_counter()
        found = lm_eval_results(args, [r.manifest["task"] for r in cells], shots, cells)
        theirs += time.perf_counter() - began
        for record in cells:
            task = record.manifest["task"]
            for metric, value in sorted(record.summary["metrics"].items()):
                other = found[task][f"{metric},none"]
                worst = max(worst, abs(value - other))
                print(
                    f"| {task} | {shots} | {record.summary['n']} | {metric} "
                    f"| {value:.6f} | {other:.6f} | {value - other:+.1e} |"
                )
    print(
        f"\nlargest difference {worst:.1e}; bench {ours:.0f} s (start-up, fetching and board "
        f"included), lm-eval {theirs:.0f} s at batch {args.batch}: {theirs / ours:.1f}x"
    )
    return int(worst > TOLERANCE)


def lm_eval_results(args, tasks, shots, cells):  # type: ignore[no-untyped-def]
    """lm-eval's own metrics for the tasks."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    registry = open_registry(load_config())
    manager = TaskManager(
        include_path=[str(path) for path in registry.suites().values()],
        include_defaults=False,
        metadata={"draw": 0},
    )
    chat = cells[0].manifest["chat"]
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={
            "pretrained": str(fetch(registry.model(args.model)).folder),
            "dtype": "float32",
        },
        tasks=tasks,
        num_fewshot=shots,
        limit=args.limit or None,
        batch_size=args.batch,
        device="cpu",
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        task_manager=manager,
        bootstrap_iters=0,
    )
    return results["results"]


if __name__ == "__main__":
    sys.exit(main())
