"""Two rows of a table against each other on the same items, whatever their bases.

A board compares each model with its base. That a method beats its base says little
as long as a cheaper control does so too; so the study compares it with each control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leaderboards.board import Difference, RecordColumn, RecordTable
from leaderboards.spec import MOST_MISSING
from leaderboards.stats.averages import Averages
from leaderboards.stats.columns import score_column
from leaderboards.stats.missing import lacking
from leaderboards.stats.opened import open_column
from leaderboards.stats.significance import holm
from leaderboards.stats.simultaneous import Family, together


def task_contrast(
    raw: RecordColumn, first: str, second: str, resamples: int, most: float = MOST_MISSING
) -> Difference | None:
    """The difference of two row labels on one task, first minus second.

    Args:
        most: the share of missing answers above which it has no verdict.
    """
    opened = open_column(_two(raw, first, second), most)
    scored = score_column(opened, {first: second}, resamples)
    return lacking(scored.cells, most)[first].difference


def average_contrasts(
    raw: RecordTable,
    pairs: Sequence[tuple[str, str]],
    resamples: int,
    most: float = MOST_MISSING,
) -> dict[tuple[str, str], Difference]:
    """The average difference of each pair of row labels, first minus second.

    p is corrected (Holm) over the pairs, and the intervals hold for all of them at once. A
    pair that does not share every task that counts has none.

    Args:
        most: the share of missing answers above which one has no verdict.
    """
    found, loose, family = {}, {}, Family()
    for first, second in pairs:
        columns = [
            _two(column, first, second)
            for column in raw.columns
            if column.column.in_average and {first, second} <= set(column.cells)
        ]
        if len(columns) < sum(column.column.in_average for column in raw.columns):
            continue
        opened = [open_column(column, most) for column in columns]
        means = Averages(opened, {first: second}, resamples)
        for column in opened:
            means.add(score_column(column, {first: second}, resamples, means.pairs))
        average = lacking(means.result(), most).get(first)
        if average is not None and average.difference is not None:
            found[first, second] = average.difference
            loose[first, second] = means.loose((first, second))
            family.take(means.family())
    critical = family.critical()
    corrected = holm([gap.p for gap in found.values()])
    return {
        pair: replace(gap, p_holm=p, simultaneous=together(loose[pair], critical, p))
        for (pair, gap), p in zip(found.items(), corrected, strict=True)
    }


def _two(raw: RecordColumn, first: str, second: str) -> RecordColumn:
    return replace(raw, cells={label: raw.cells[label] for label in (first, second)})
