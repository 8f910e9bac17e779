"""`python -m leaderboards.study docs/study.toml`: write the study beside its declaration."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.doors.terminal import complain, say
from harness.errors import UserError
from harness.files import write_text
from leaderboards.study.paper import study_files
from leaderboards.study.spec import load_study


def main(arguments: list[str]) -> int:
    """Write study.md and study/*.svg; plots of an earlier writing that are no more go."""
    if len(arguments) != 1:
        complain("usage: python -m leaderboards.study STUDY.toml")
        return 2
    declared = Path(arguments[0])
    try:
        files = study_files(load_study(declared))
    except UserError as error:
        complain(error)
        return 2
    for old in (declared.parent / "study").glob("*.svg"):
        if f"study/{old.name}" not in files:
            old.unlink()
    for name, text in files.items():
        write_text(declared.parent / name, text)
    say(f"{declared.parent / 'study.md'} and {len(files) - 1} plots")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
