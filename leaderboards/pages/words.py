"""What templates call: bars, verdicts, facts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from harness.types import Json
from leaderboards.board import Average, Cell, Difference, Section
from leaderboards.shown import limits, points, probability, task_name
from leaderboards.text.escape import visible
from leaderboards.text.marks import gap_marks, marks, pair_draws


def bar(cell: Cell | Average | None) -> str:
    """Where score and interval lie on a scale of 0 to 100, as CSS variables."""
    if cell is None or cell.score is None or cell.interval is None or cell.unit != "share":
        return ""
    return _bar(100 * cell.interval.low, 100 * cell.interval.high, 100 * cell.score)


def reach(cells: Iterable[Cell | Average | None]) -> float:
    """The widest end of any difference's drawn interval: what a column's bars are drawn to."""
    found = [cell.difference.simultaneous for cell in cells if cell is not None and cell.difference]
    return max([abs(end) for gap in found for end in (gap.low, gap.high)], default=1.0) or 1.0


def gap_bar(cell: Cell | Average | None, far: float) -> str:
    """The same for a difference, on a scale of -far to far."""
    if cell is None or cell.difference is None:
        return ""
    found = cell.difference
    ends = (found.simultaneous.low, found.simultaneous.high, found.value)
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
    text += f"{cell.n_scored} of {cell.n} answers scored, {cell.n_unparseable} unparseable"
    if cell.n_error:
        text += f", {cell.n_error} calls failed"
    if cell.missing and cell.bounds is not None:
        low, high = (points(end, unit=unit) for end in (cell.bounds.low, cell.bounds.high))
        text += f" (with all of them wrong {low}, right {high})"
    if cell.untested:
        text += ", all of them in what the model was made from: no score"
    if cell.leaked:
        text += f", {cell.leaked} leaked"
    gap = cell.difference
    if gap is not None:
        text += (
            f". {points(gap.value, sign=True, unit=unit)} "
            f"{limits(gap.simultaneous, sign=True, unit=unit)} against "
            f"{gap.other}: {said(gap)}, p {probability(gap.p_holm)} corrected ({gap.test}; "
            f"alone {limits(gap.interval, sign=True, unit=unit)}), "
            f"of {gap.n} items{pair_draws(gap)}"
        )
        if gap.lacking:
            text += f"; {100 * gap.lacking:.1f} % of the answers of one of the two are missing"
        if gap.leaks:
            text += f"; {gap.leaks} of these items are in what one of the two was made from"
        if gap.unlike:
            text += f"; not run alike: {', '.join(gap.unlike)}"
    return text + "."


def verdicts(section: Section) -> list[Json]:
    """What the table says of each compared model, in words: the average and the counts."""
    found = []
    for row in section.rows:
        gaps = [cell.difference for cell in row.cells if cell and cell.difference]
        if not gaps:
            continue
        sure = [gap.gain for gap in gaps if gap.significant and not gap.lacking]
        found.append(
            {
                "row": row,
                "other": gaps[0].other,
                "average": row.average.difference if row.average else None,
                "better": sum(gap > 0 for gap in sure),
                "worse": sum(gap < 0 for gap in sure),
                "tasks": len(gaps),
            }
        )
    return found


def said(found: Difference) -> str:
    """Whether a difference is significant; no verdict where too many answers are missing."""
    if found.lacking:
        return "too many answers missing for a verdict"
    return "significant" if found.significant else "not significant"


def tone(found: Difference) -> str:
    """The class of a difference: surely better, surely worse, or neither."""
    if not found.significant or found.lacking:
        return "even"
    return "up" if found.gain > 0 else "down"


def fact(value: Any) -> Any:
    """A value for a reader: thousands with commas, a list in words, yes or no."""
    if type(value) is bool:
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(fact(one)) for one in value)
    return f"{value:,}" if type(value) is int else value


def breakable(name: str) -> Any:
    """A name that may break between its words, and only there."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in _parts(name))


def smaller_marks(number: str) -> Any:
    """A large number whose marks, all but the star, are small and never broken in two."""
    from markupsafe import Markup, escape

    bare = re.match(r"[^≈=°†‡]*", number)
    assert bare is not None  # it matches nothing too
    marks = escape(number[bare.end() :])
    return Markup("{}<small>{}</small>").format(bare[0], marks) if marks else escape(bare[0])


# After a mark, and where CamelCase begins a word; a longer part is cut, or it would have a
# column of its own width.
_LONGEST = 18
_BORDER = re.compile(r"(?<=[_\-./:,@+])|(?<=[a-z0-9])(?=[A-Z])")


def _parts(name: str) -> list[str]:
    return [
        word[start : start + _LONGEST]
        for word in _BORDER.split(visible(name))
        for start in range(0, max(len(word), 1), _LONGEST)
    ]


def column_width(name: str) -> float:
    """The width of a task's column in rem: its score's, or that of the longest part of its name."""
    longest = max(len(word) for part in _parts(name) for word in part.split(" "))
    return max(7.4, round(0.58 * longest + 2.6, 1))


def average_widths(section: Section) -> tuple[float, float]:
    """The widths of the columns "average" and "difference to base", in rem."""
    means = [row.average for row in section.rows if row.average is not None]
    gaps = [mean.difference for mean in means if mean.difference is not None]
    texts = [(mark(mean), ends(mean)) for mean in means]
    told = [(gap(found), limits(found.simultaneous, sign=True)) for found in gaps]

    def width(shown: list[tuple[str, str]], least: float) -> float:
        needed = [0.63 * len(one) + 0.43 * len(small) + 1.9 for one, small in shown]
        return round(max([least, *needed]), 1)

    return width(texts, 9.0), width(told, 10.0)


def task_widths(section: Section) -> list[float]:
    """The width of each task's column in rem: its name's, or that of its widest cell.

    A cell holds a score with its signs and, smaller, a difference with its own.
    """
    widths = []
    for number, name in enumerate(task_names(section)):
        shown = [cell for row in section.rows if (cell := row.cells[number]) is not None]
        needed = [
            0.62 * len(mark(cell))
            + (0.55 * len(gap(cell.difference)) + 0.3 if cell.difference else 0)
            + 1.6
            for cell in shown
        ]
        widths.append(round(max([column_width(name), *needed]), 1))
    return widths


def task_names(section: Section) -> list[str]:
    """The columns' names, told apart where one task has several."""
    return [task_name(column, section.columns) for column in section.columns]


def mark(found: Cell | Average) -> str:
    """A score with the signs of what a reader must know of it."""
    return f"{points(found.score, unit=found.unit)}{marks(found)}"


def gap(found: Difference) -> str:
    """A difference with its signs."""
    return f"{points(found.value, sign=True, unit=found.unit)}{gap_marks(found)}"


def ends(found: Cell | Average) -> str:
    """The interval; of a row without a rank, for what is missing, the bounds of its score."""
    if not found.missing or found.rank is not None or found.bounds is None:
        return limits(found.interval, unit=found.unit)
    low, high = (points(end, unit=found.unit) for end in (found.bounds.low, found.bounds.high))
    return f"({low} to {high})"
