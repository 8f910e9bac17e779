"""The worked examples of docs/architecture.md, run in their order in one folder of a program's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.specializers.tiny import save_model

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
EXAMPLE = re.compile(r"^```python\n# (an? [a-z ]+)\n(.*?)^```$", re.M | re.S)
CHANGES = ("a task", "a metric", "a model source", "an engine", "a specializer", "a page")


def test_there_is_one_example_of_each_change() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert tuple(name for name, _ in EXAMPLE.findall(text)) == CHANGES
    assert text.count("```python\n") == len(CHANGES)


def test_the_examples_run(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    save_model(folder / "shelf" / "tiny")
    parts = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    program = "\n".join(f"# {name}\n{code}print('done: {name}')" for name, code in parts)
    own = {"BENCH_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={key: value for key, value in (os.environ | own).items() if key != "BENCH_OUT"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("done: ")] == [
        f"done: {name}" for name in CHANGES
    ]
