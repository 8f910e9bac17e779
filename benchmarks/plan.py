"""The plan's estimates against the run that follows it.

    python -m benchmarks.plan [--clock processor] [--keep FOLDER]
        --models smollm2,selfspec-smollm2 --tasks biomed-mini [--limit 8] ...

Takes `bench plan`'s own options. Measures the machine, plans, runs the same
command into a fresh folder, and prints one Markdown row per quantity: planned,
real, and their ratio. The last row is the whole run's time, with starting,
loading and scoring, so a cached model is needed for it to mean much.

On a shared machine take OMP_NUM_THREADS=1 and `--clock processor`: wall time
tells how busy the machine is at the moment, and that is no part of a plan.
`--keep` leaves plan and run there.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.options import parser_of

# Every clock that a run reads becomes its process's own; imported first is what waits by a clock.
PROCESSOR = """
import selectors, subprocess, sys, threading, time
time.perf_counter = time.monotonic = time.process_time
from bench.cli import main
sys.exit(main())
"""
STARTS = {"wall": ("-m", "bench.cli"), "processor": ("-c", PROCESSOR)}


def processor_time() -> float:
    """Seconds that the commands started so far have had of a processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": processor_time}


def bench(clock: str, *arguments: str) -> str:
    command = [sys.executable, *STARTS[clock], *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def real(out: Path) -> dict[str, float]:
    """What a finished run did, from its records and its artifacts' reports."""
    facts = [json.loads(path.read_text()) for path in out.glob("runs/*/*/run.json")]
    tasks = {
        "requests": sum(f["asked"] - f["reused"] for f in facts),
        "asked": sum(f["tokens_asked"] for f in facts),
        "computed": sum(f["tokens_computed"] for f in facts),
        "written": sum(f["tokens_generated"] for f in facts),
        "task seconds": sum(f["seconds_prefill"] + f["seconds_decode"] for f in facts),
    }
    made: dict[str, float] = {"made requests": 0, "made written": 0, "made seconds": 0}
    for folder in (path.parent for path in out.glob("artifacts/*/manifest.json")):
        for name in ("instructions", "responses"):
            if (folder / f"{name}.json").is_file():
                report = json.loads((folder / f"{name}.json").read_text())
                made["made requests"] += report["calls"]
                made["made written"] += report["tokens"]
        if (folder / "training.json").is_file():
            training = json.loads((folder / "training.json").read_text())
            made["trained"] = made.get("trained", 0) + training["tokens"]
            made["steps"] = made.get("steps", 0) + training["steps"]
        made["made seconds"] += sum(json.loads((folder / "seconds.json").read_text()).values())
    return tasks | made


def planned(plan: dict[str, Any]) -> dict[str, float]:
    """The same quantities as the plan has them."""
    making = [s for s in plan["stages"] if s["stage"] in ("tasks", "answers", "training")]
    tasks = [s for s in plan["stages"] if s not in making]

    def add(stages: list[dict[str, Any]], key: str) -> float:
        return sum(stage["work"][key] for stage in stages)

    return {
        "requests": add(tasks, "requests") - add(tasks, "stored"),
        "asked": add(tasks, "asked"),
        "computed": add(tasks, "computed"),
        "written": add(tasks, "expected"),
        "task seconds": sum(s["seconds"] for s in tasks),
        "made requests": add(making, "requests"),
        "made written": add(making, "expected"),
        "trained": add(making, "training"),
        "steps": add(making, "steps"),
        "made seconds": sum(s["seconds"] for s in making),
    }


def main() -> None:
    own, options = parser_of(__doc__, clock=tuple(CLOCKS), keep=None).parse_known_args()
    now = CLOCKS[own.clock]
    with tempfile.TemporaryDirectory() as folder:
        out = own.keep or Path(folder) / "out"
        told = bench(own.clock, "plan", *options, "--measure", "--json", "--out", str(out))
        plan = json.loads(told)
        began = now()
        bench(own.clock, "run", *options, "--quiet", "--out", str(out))
        whole = now() - began
        if own.keep:
            (own.keep / "plan.json").write_text(told, encoding="utf-8")
        found, expected = real(out), planned(plan)
    found["all seconds"], expected["all seconds"] = whole, plan["seconds_one_lane"]
    print("| quantity | planned | real | planned / real |\n|---|---|---|---|")
    for name, value in found.items():
        guess = expected.get(name, 0.0)
        ratio = f"{guess / value:.2f}" if value else "-"
        print(f"| {name} | {guess:,.0f} | {value:,.0f} | {ratio} |")


if __name__ == "__main__":
    main()
