"""Every number with an interval that README quotes is one of the published boards, as it is now."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from leaderboards.board import Interval
from leaderboards.shown import limits, points

ROOT = Path(__file__).parents[1]
QUOTED = re.compile(r"([+−]?\d+\.\d) (\[[^\]]+\])")


def quoted(text: str) -> Iterator[tuple[str, str]]:
    """Value and interval, whether a sign or a mark stands beside."""
    for value, interval in QUOTED.findall(re.sub(r"[\\*‡†°]|‡\d", "", text)):
        yield value.removeprefix("+"), interval.replace("+", "")


def published() -> set[tuple[str, str]]:
    """What boards state, and the intervals of averages over tasks like these."""
    found: set[tuple[str, str]] = set()
    for path in sorted((ROOT / "leaderboards/published").glob("*/board/board.json")):
        found |= set(quoted(path.with_name("README.md").read_text(encoding="utf-8")))
        board = json.loads(path.read_text(encoding="utf-8"))
        for average in (row["average"] for section in board["sections"] for row in section["rows"]):
            for stated in filter(None, (average, average and average.get("difference"))):
                value = points(stated.get("score", stated.get("value")), sign=True)
                for key in ("beyond", "interval", "simultaneous"):
                    if stated.get(key):
                        text = limits(Interval(**stated[key]), sign=True)
                        found |= set(quoted(f"{value} {text}"))
    return found


def test_readme_quotes_the_boards_as_they_are() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## What it says today")[2].partition("\n## ")[0]
    numbers = list(quoted(section))
    assert len(numbers) > 25
    assert [pair for pair in numbers if pair not in published()] == []


def test_a_gain_of_readme_stands_beside_what_other_tasks_might_show() -> None:
    """The sentence on a model that is surely better says over which tasks."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in readme.splitlines():
        if "surely better" in line and "not surely better" not in line:
            assert "tasks like these" in line
