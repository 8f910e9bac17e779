"""One task's column: every model's score, its difference to its base and to the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.suites.metrics import Unit
from leaderboards.board import Average, Cell, Difference
from leaderboards.stats.compare import Contrast, contrast, resample
from leaderboards.stats.opened import OpenColumn, bounds_of, most_unlike
from leaderboards.stats.resampling import Floats, interval
from leaderboards.stats.sheet import View, paired_views
from leaderboards.stats.significance import detectable, holm, rank_ranges
from leaderboards.stats.spread import NO_SPREAD, Spread, spread_of

Pair = tuple[str, str]


@dataclass(frozen=True)
class ScoredColumn:
    """One column with its statistics; samples, contrasts and spread feed the averages."""

    cells: Mapping[str, Cell]
    samples: Mapping[str, Floats]
    contrasts: Mapping[Pair, Contrast]
    spread: Spread


def score_column(
    opened: OpenColumn, others: Mapping[str, str], resamples: int, more: Iterable[Pair] = ()
) -> ScoredColumn:
    """A column's statistics.

    Args:
        others: row -> the row it is compared with.
        more: further pairs, for the averages.
    """
    table, whole, cells = opened.table, opened.whole, dict(opened.cells)
    if table is None:
        return ScoredColumn(cells, {}, {}, NO_SPREAD)
    to_base = {label: other for label, other in others.items() if {label, other} <= set(whole)}
    best = opened.best()
    to_best = {}
    if best:
        to_best = {r: most_unlike(r, best, [opened]) for r in whole if r not in best}
    views: dict[Pair, tuple[View, View]] = {}
    for pair in [*to_base.items(), *to_best.items(), *more]:
        if set(pair) <= set(whole) and (found := paired_views(table, *pair)) is not None:
            views[pair] = found
    clean: dict[Pair, tuple[View, View]] = {}
    for pair in to_base.items():
        leaked = table.answers[pair[0]].leaked | table.answers[pair[1]].leaked
        if leaked.any() and (found := paired_views(table, *pair, ~leaked)) is not None:
            clean[pair] = found
    compare = [*views.values(), *clean.values()]
    wanted = [*whole.values(), *(view for both in compare for view in both)]
    samples = resample(table, wanted, resamples)
    compared = contrast(table, compare, samples, resamples)
    spread = spread_of(opened, table, samples, resamples)
    ranks = rank_ranges(
        opened.sign * spread.gaps, np.sqrt(np.maximum(spread.variances, 0)), spread.documents
    )
    places = dict(zip(spread.labels, ranks, strict=True))
    unit = opened.raw.column.unit

    def told(pair: Pair, of: Mapping[Pair, tuple[View, View]]) -> Difference:
        limits = bounds_of(unit, *(table.answers[label] for label in pair))
        return _difference(pair[1], compared[of[pair]], limits, unit)

    for label, view in whole.items():
        cell = cells[label]
        cell = replace(
            cell,
            interval=interval(
                samples[view],
                opened.scores[label],
                cell.documents,
                *bounds_of(unit, table.answers[label]),
            ),
            rank=places.get(label),
        )
        base, top = (label, to_base.get(label, "")), (label, to_best.get(label, ""))
        cells[label] = replace(
            cell,
            difference=told(base, views) if base in views else None,
            best=label in best,
            to_best=told(top, views) if top in views else None,
            clean=told(base, clean) if base in clean else None,
        )
    return ScoredColumn(
        cells,
        {label: samples[view] for label, view in whole.items()},
        {pair: compared[both] for pair, both in views.items()},
        spread,
    )


def _difference(other: str, found: Contrast, limits: tuple[float, float], unit: Unit) -> Difference:
    span = limits[1] - limits[0]
    return Difference(
        other=other,
        value=found.value,
        interval=interval(found.samples, found.value, found.documents, -span, span),
        p=found.p,
        p_holm=found.p,
        test=found.test,
        detectable=detectable(found.samples),
        n=found.n,
        unit=unit,
        draws=found.draws,
    )


def corrected(columns: Sequence[Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    """Holm's correction over every difference of a kind in the table.

    Three families: the differences to a base; those to the best, a tie with it counted
    as the comparison that it is (p = 1); and those to a base as they are without leaked
    items, in which the differences that have none to leave out stand as they are.
    """
    result = [dict(cells) for cells in columns]
    for kind in ("difference", "to_best", "clean"):
        places = [
            (cells, label, found, getattr(cell, kind) is not None)
            for cells in result
            for label, cell in cells.items()
            if (found := getattr(cell, kind) or (cell.difference if kind == "clean" else None))
            is not None
        ]
        ties = sum(tied(cells) for cells in result) if kind == "to_best" else 0
        p_values = holm([*(found.p for _, _, found, _ in places), *[1.0] * ties])
        for (cells, label, found, own), p in zip(places, p_values, strict=False):
            if own:
                changed: dict[str, Any] = {kind: replace(found, p_holm=p)}
                cells[label] = replace(cells[label], **changed)
    return result


def tied(entries: Mapping[str, Cell] | Mapping[str, Average]) -> int:
    """How many rows are the best beside the first that is."""
    return max(0, sum(entry.best for entry in entries.values()) - 1)
