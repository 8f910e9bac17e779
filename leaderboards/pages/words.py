"""What templates call: bars, verdicts, facts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from harness.types import Json
from leaderboards.board import Average, Cell, Difference, Section
from leaderboards.shown import limits, points, probability
from leaderboards.text.escape import visible


def bar(cell: Cell | Average | None) -> str:
    """Where score and interval lie on a scale of 0 to 100, as CSS variables."""
    if cell is None or cell.score is None or cell.interval is None or cell.unit != "share":
        return ""
    return _bar(100 * cell.interval.low, 100 * cell.interval.high, 100 * cell.score)


def reach(cells: Iterable[Cell | Average | None]) -> float:
    """The widest end of any difference's interval: what a column's bars are drawn to."""
    found = [cell.difference.interval for cell in cells if cell is not None and cell.difference]
    return max([abs(end) for gap in found for end in (gap.low, gap.high)], default=1.0) or 1.0


def gap_bar(cell: Cell | Average | None, far: float) -> str:
    """The same for a difference, on a scale of -far to far."""
    if cell is None or cell.difference is None:
        return ""
    found = cell.difference
    ends = (found.interval.low, found.interval.high, found.value)
    low, high, at = (50 + 50 * value / far for value in ends)
    return _bar(low, high, at)


def _bar(low: float, high: float, at: float) -> str:
    """Width of the band, its place as `background-position` counts it, place of the mark."""
    width = min(max(high - low, 0.5), 100.0)
    place = 0.0 if width >= 100 else min(100 * max(low, 0.0) / (100 - width), 100.0)
    return f"--w:{width:.1f}%;--p:{place:.1f}%;--m:{at:.1f}%"


def meaning(cell: Cell) -> str:
    """A cell in words: what hovering and focus show."""
    unit = cell.unit
    shown = f"{points(cell.score, unit=unit)} {limits(cell.interval, unit=unit)}".rstrip()
    text = f"{shown}; "
    text += f"{cell.n_scored} of {cell.n} items scored, {cell.n_unparseable} unparseable"
    if cell.n_error:
        text += f", {cell.n_error} calls failed"
    if cell.leaked:
        text += f", {cell.leaked} leaked"
    gap = cell.difference
    if gap is not None:
        verdict = "significant" if gap.significant else "not significant"
        text += (
            f". {points(gap.value, sign=True, unit=unit)} "
            f"{limits(gap.interval, sign=True, unit=unit)} against "
            f"{gap.other}: {verdict}, p {probability(gap.p_holm)} corrected ({gap.test})"
        )
    return text + "."


def verdicts(section: Section) -> list[Json]:
    """What the table says of each compared model, in words: the average and the counts."""
    found = []
    for row in section.rows:
        gaps = [
            (cell.difference, 1 if column.higher_is_better else -1)
            for column, cell in zip(section.columns, row.cells, strict=True)
            if cell and cell.difference
        ]
        if not gaps:
            continue
        sure = [sign * gap.value for gap, sign in gaps if gap.significant]
        found.append(
            {
                "row": row,
                "other": gaps[0][0].other,
                "average": row.average.difference if row.average else None,
                "better": sum(gap > 0 for gap in sure),
                "worse": sum(gap < 0 for gap in sure),
                "tasks": len(gaps),
            }
        )
    return found


def tone(found: Difference, higher_is_better: bool = True) -> str:
    """The class of a difference: surely better, surely worse, or neither."""
    if not found.significant:
        return "even"
    return "up" if (found.value > 0) == higher_is_better else "down"


def fact(value: Any) -> Any:
    """A value for a reader: thousands with commas, a list in words, yes or no."""
    if type(value) is bool:
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(fact(one)) for one in value)
    return f"{value:,}" if type(value) is int else value


def breakable(name: str) -> Any:
    """A name that may break after its underscores and hyphens."""
    from markupsafe import Markup, escape

    parts = re.split(r"(?<=[_-])", visible(name))
    return Markup("<wbr>").join(escape(part) for part in parts)
