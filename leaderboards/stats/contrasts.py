"""Two rows of a table against each other on the same items, whatever their bases.

A board compares each model with its base. That a method beats its base says little
as long as a cheaper control does so too; so the study compares it with each control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leaderboards.board import Difference, RawSection
from leaderboards.stats.averages import averages
from leaderboards.stats.columns import score_column
from leaderboards.stats.significance import holm


def average_contrasts(
    raw: RawSection, pairs: Sequence[tuple[str, str]], resamples: int
) -> dict[tuple[str, str], Difference]:
    """The average difference of each pair of row labels, first minus second.

    p is corrected (Holm) over the pairs. A pair that does not share every task
    that counts has none.
    """
    found = {}
    for first, second in pairs:
        columns = [
            replace(column, cells={label: column.cells[label] for label in (first, second)})
            for column in raw.columns
            if column.column.in_average and {first, second} <= set(column.cells)
        ]
        if len(columns) < sum(column.column.in_average for column in raw.columns):
            continue
        others = {first: second}
        scored = [score_column(column, others, resamples) for column in columns]
        means = averages([column.column for column in columns], scored, others, resamples)
        if first in means and (gap := means[first].difference) is not None:
            found[first, second] = gap
    corrected = holm([gap.p for gap in found.values()])
    return {
        pair: replace(gap, p_holm=p)
        for (pair, gap), p in zip(found.items(), corrected, strict=True)
    }
