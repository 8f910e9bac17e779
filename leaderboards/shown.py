"""A number, a place, a task and a list of names as a reader sees them, in every form of a board."""

from __future__ import annotations

from collections.abc import Sequence

from harness.suites.metrics import Unit
from leaderboards.board import WORDING, Cell, Column, Interval

NOTHING = "–"
LOWER = "↓"


def points(value: float | None, *, sign: bool = False, unit: Unit = "share") -> str:
    """0.123 -> "12.3"; with `sign` "+12.3" and a true minus. What is no share stays as it is."""
    if value is None:
        return NOTHING
    if unit != "share":
        return _plain(value, sign=sign, unit=unit)
    text = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    return text.replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


def smallest(detectable: float | None, unit: Unit = "share") -> str:
    """The smallest difference that is found in 80 % of cases; of shares none is over 100 points."""
    if unit == "share" and detectable is not None and detectable > 1:
        return ">100"
    return points(detectable, unit=unit)


def limits(found: Interval | None, *, sign: bool = False, unit: Unit = "share") -> str:
    """An interval in points, without decimals where it is wider than 10 points."""
    if found is None:
        return ""
    if unit != "share":
        low, high = (_plain(end, sign=sign, unit=unit) for end in (found.low, found.high))
        return f"[{low}, {high}]"
    digits = 0 if found.high - found.low >= 0.1 else 1
    low, high = (
        _end(100 * end, digits) if sign else f"{100 * end:.{digits}f}".replace("-", "−")
        for end in (found.low, found.high)
    )
    return f"[{low}, {high}]"


def _end(value: float, digits: int) -> str:
    """A limit of a difference: 0 is written where it is 0, and what is near it not as 0."""
    while value and not float(f"{value:.{digits}f}") and digits < 4:
        digits += 1
    text = f"{value:+.{digits}f}".replace("-", "−") if value else "0"
    return text if float(text.replace("−", "-")) or not value else ("+0" if value > 0 else "−0")


def _plain(value: float, *, sign: bool, unit: Unit) -> str:
    """58.187 -> "58.19", 0.3739 -> "0.3739": lm-eval's number, shorter."""
    size = abs(value)
    form = ".4g" if size >= 1e5 else ".2f" if size >= 10 or unit == "points" else ".4f"
    return format(value, f"{'+' if sign and value else ''}{form}").replace("-", "−")


def probability(p: float) -> str:
    """A p-value to three digits."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def cautions_of_mean(cells: Sequence[Cell]) -> str:
    """ " (5.0 % missing, 2 leaked)" of the mean of one cell or more in a sentence; else ""."""
    missing, leaked = max(cell.missing for cell in cells), sum(cell.leaked for cell in cells)
    told = [f"{100 * missing:.1f} % missing"] if missing else []
    told += [f"{leaked} leaked"] if leaked else []
    return f" ({', '.join(told)})" if told else ""


def places(rank: tuple[int, int] | None) -> str:
    """A range of ranks."""
    if rank is None:
        return NOTHING
    return str(rank[0]) if rank[0] == rank[1] else f"{rank[0]}–{rank[1]}"


def task_name(column: Column, columns: Sequence[Column]) -> str:
    """The column's name; ↓ marks a task of which less is better."""
    name = column_name(column, columns)
    return name if column.higher_is_better else f"{name} {LOWER}"


def column_name(column: Column, columns: Sequence[Column]) -> str:
    """The task; with suite, version and decoding where it stands in several columns."""
    name = suite_name(column, columns)
    same = [other for other in columns if (other.suite, other.task) == (column.suite, column.task)]
    if len(same) > 1:
        name += f" v{column.version}"
        if len({other.version for other in same}) < len(same):
            name += f" ({_told_apart(column, same)})"
    return name


def suite_name(column: Column, columns: Sequence[Column]) -> str:
    """The task, as suite/task where two suites have one of that name."""
    suites = {other.suite for other in columns if other.task == column.task}
    return f"{column.suite}/{column.task}" if len(suites) > 1 else column.task


def _told_apart(column: Column, same: Sequence[Column]) -> str:
    """What of a column's decoding is not that of all others of its task."""
    keys = sorted({key for other in same for key in other.decoding})
    shown = [
        f"{key}={column.decoding.get(key, 'mean' if key == WORDING else 'none')}"
        for key in keys
        if len({repr(other.decoding.get(key)) for other in same}) > 1
    ]
    return ", ".join(shown)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names with commas; of many the first, and how many more."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
