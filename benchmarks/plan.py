"""The plan's estimates against the run that follows it.

    python benchmarks/plan.py --models smollm2,selfspec-smollm2 --tasks biomed-mini [--limit 8] ...

Takes `bench plan`'s own options. Measures the machine, plans, runs the same
command into a fresh folder, and prints one Markdown row per quantity: planned,
real, and their ratio. Wall times include loading and fetching, so a cached
model is needed for the last row to mean much.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def bench(*arguments: str) -> str:
    command = [sys.executable, "-m", "harness.cli", *arguments]
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
    options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        plan = json.loads(bench("plan", *options, "--measure", "--json", "--out", str(out)))
        began = time.perf_counter()
        bench("run", *options, "--quiet", "--out", str(out))
        wall = time.perf_counter() - began
        found, expected = real(out), planned(plan)
    found["all seconds"], expected["all seconds"] = wall, plan["seconds_one_lane"]
    print("| quantity | planned | real | planned / real |\n|---|---|---|---|")
    for name, value in found.items():
        guess = expected.get(name, 0.0)
        ratio = f"{guess / value:.2f}" if value else "-"
        print(f"| {name} | {guess:,.0f} | {value:,.0f} | {ratio} |")


if __name__ == "__main__":
    main()
