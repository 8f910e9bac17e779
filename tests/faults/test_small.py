"""The bounded part: six kills, a few full disks, three processes at once."""

from __future__ import annotations

import subprocess
import sys

from tests.faults.job import ROOT


def test_whatever_strikes_a_run_nothing_is_lost() -> None:
    """In a process of its own: a fork of one with threads may stand still."""
    command = [sys.executable, "-m", "tests.faults", "--small"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "kills survived: 6 of 6" in ended.stdout
    assert "\n0 faults" in ended.stdout
