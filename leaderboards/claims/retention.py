"""What a specialised model lost elsewhere: non-inferiority on a general suite.

"No worse by more than d" needs the whole interval of the difference to its base above -d; that
no loss was found is not enough.
Source: Piaggio et al. 2012, Reporting of noninferiority trials (CONSORT), JAMA 308.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leaderboards.board import Difference, Retained, Row, Section
from leaderboards.shown import limits, points


def retained(sections: Sequence[Section], margin: float) -> tuple[Retained, ...]:
    """The verdict on each specialised row of a general suite's tables.

    Args:
        margin: the largest loss, as a share, that is none.
    """
    found = []
    for section in sections:
        for row in section.rows:
            gap = _gap(section, row)
            if row.specializer and gap is not None:
                tasks = sum(column.in_average for column in section.columns)
                found.append(Retained(row.label, section.title, tasks, gap, _verdict(gap, margin)))
    return tuple(found)


def _gap(section: Section, row: Row) -> Difference | None:
    """The average's difference; that of the only task where there is one."""
    counted = [n for n, column in enumerate(section.columns) if column.in_average]
    if row.average is None and len(counted) == 1:
        cell = row.cells[counted[0]]
        return cell.difference if cell is not None else None
    return row.average.difference if row.average is not None else None


def _verdict(gap: Difference, margin: float) -> str:
    told = f"{points(margin)} points"
    if gap.lacking:
        return f"not shown: {100 * gap.lacking:.1f} % of the answers are missing"
    if gap.interval.low >= -margin:
        return f"not worse by more than {told}"
    if gap.interval.high < -margin:
        return f"worse by more than {told}"
    return f"not shown: it may have lost {points(-gap.interval.low)} points"


def retention_notes(
    found: Sequence[Retained], suite: str, sections: Sequence[Section]
) -> Iterator[str]:
    """Beside every gain: what was kept elsewhere, or that nobody looked."""
    for one in found:
        gap = one.difference
        span = limits(gap.interval, sign=True)
        leaked = f", {gap.leaks} items leaked" if gap.leaks else ""
        yield (
            f"{one.label} on {suite} ({one.title}, {one.tasks} tasks) against {gap.other}: "
            f"{points(gap.value, sign=True)} {span}{leaked}: {one.verdict}."
        )
    told = {one.label for one in found}
    lacking = sorted(
        {row.label for section in sections for row in section.rows if row.specializer} - told
    )
    if lacking:
        names = ", ".join(lacking)
        yield (
            f"What was lost elsewhere is not known of {names}: there is no record on {suite}, "
            "whose suite a board's 'retention' names."
        )
