"""The steps in order of worth, each in a process with a time limit and a JSON result of its own.

    python -m benchmarks.gpu prepare build/gpu        the folder that travels
    PYTHONPATH=build/gpu python -m benchmarks.gpu run OUT [--steps a,c] [--minutes 9] [--dry]

A step writes its result after every figure, so that a run that is cut leaves what it had. `--dry`
runs all of it on a CPU with tiny shapes. Exit code 1 if a step failed; one that was cut did not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import write_json

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Step:
    """A step by its module in this package; the most seconds it may take of a ten-minute run."""

    name: str
    module: str
    seconds: int


STEPS = (
    Step("a", "parity", 90),
    Step("b", "speed", 150),
    Step("c", "mpt30b", 180),
    Step("d", "decoding", 90),
    Step("e", "training", 120),
)


class Result:
    """What a step found so far, on disk after every figure."""

    def __init__(self, path: Path, dry: bool) -> None:
        self._path = path
        self._began = time.monotonic()
        self._figures: list[dict[str, Any]] = []
        self._facts = {"dry": dry, **machine()}
        self.keep("running")

    def add(self, **figure: Any) -> None:
        """Keep a figure; it is printed too."""
        self._figures.append(figure)
        print(json.dumps(figure), flush=True)
        self.keep("running")

    def keep(self, status: str, told: str = "") -> None:
        """Write the file."""
        write_json(
            self._path,
            {
                "status": status,
                "told": told,
                "seconds": round(time.monotonic() - self._began, 1),
                "machine": self._facts,
                "figures": self._figures,
            },
        )


def machine() -> dict[str, Any]:
    """Device and versions."""
    import torch
    import transformers

    there = torch.cuda.is_available()
    return {
        "device": torch.cuda.get_device_name(0) if there else "cpu",
        "memory": torch.cuda.get_device_properties(0).total_memory if there else 0,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def work(step: Step, out: Path, dry: bool, weights: Path | None) -> None:
    """One step, in this process."""
    result = Result(out / f"{step.name}.json", dry)
    try:
        importlib.import_module(f"benchmarks.gpu.{step.module}").run(result, dry, weights)
    except Exception as error:
        result.keep("failed", f"{type(error).__name__}: {error}"[:2000])
        raise
    result.keep("done")


def run(steps: list[Step], out: Path, seconds: float, dry: bool, weights: Path | None) -> int:
    """Every step in a process of its own, until the time is up; how many failed."""
    out.mkdir(parents=True, exist_ok=True)
    end, failed = time.monotonic() + seconds, 0
    for step in steps:
        left = end - time.monotonic()
        if left < 1:
            print(f"{step.name}: not begun, the time is up", flush=True)
            continue
        command = [sys.executable, "-m", "benchmarks.gpu", "step", step.name, str(out)]
        command += ["--dry"] if dry else []
        command += ["--weights", str(weights)] if weights else []
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        try:
            ended = subprocess.run(
                command,
                check=False,
                timeout=min(left, step.seconds),
                env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
                cwd=ROOT,
            )
            failed += ended.returncode != 0
            told = f"exit code {ended.returncode}"
        except subprocess.TimeoutExpired:
            told = "cut"
        file = out / f"{step.name}.json"
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"figures": []}
        if found.get("status", "running") == "running":
            write_json(file, {**found, "status": told})
        print(f"{step.name}: {told}, {len(found['figures'])} figures", flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("what", choices=["prepare", "run", "step"])
    parser.add_argument("name", nargs="?", default="", help="of the step, for 'step'")
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", default="a,b,c,d,e")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--weights", type=Path, help="a transformers folder, for step e")
    options = parser.parse_args()
    known = {step.name: step for step in STEPS}
    if options.what == "prepare":
        from benchmarks.gpu.prepare import prepare

        return prepare(options.out)
    if options.what == "step":
        work(known[options.name], options.out, options.dry, options.weights)
        return 0
    asked = [known[name] for name in options.steps.split(",")]
    return min(1, run(asked, options.out, 60 * options.minutes, options.dry, options.weights))


if __name__ == "__main__":
    sys.exit(main())
