"""One task's column: every model's score, its difference to its base and to the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from harness.suites.metrics import Unit
from leaderboards.board import Average, Cell, Difference, Floor, Interval
from leaderboards.claims.floors import best_floor
from leaderboards.stats.compare import Contrast, contrast
from leaderboards.stats.opened import OpenColumn, bounds_of, most_unlike
from leaderboards.stats.resampling import Floats, Levels, interval, total
from leaderboards.stats.scores import Crossed, crossed, looseness, resample
from leaderboards.stats.sheet import Selection, leaked_to, paired_views
from leaderboards.stats.significance import detectable, holm, rank_ranges
from leaderboards.stats.simultaneous import Family, Loose, agreeing, together
from leaderboards.stats.spread import NO_SPREAD, Spread, spread_of

Pair = tuple[str, str]
ContrastKind = Literal["difference", "to_best", "clean"]


@dataclass(frozen=True)
class ScoredColumn:
    """One column with its statistics; samples, contrasts and spread feed the averages.

    `levels` and `looseness` are those of the scores.
    `loose` and `family` are its differences before those of the other columns are known.
    """

    cells: Mapping[str, Cell]
    samples: Mapping[str, Floats]
    contrasts: Mapping[Pair, Contrast]
    spread: Spread
    levels: Mapping[str, tuple[Levels, ...]] = field(default_factory=dict)
    looseness: Mapping[str, float] = field(default_factory=dict)
    sign: int = 1
    loose: Mapping[tuple[ContrastKind, str], Loose] = field(default_factory=dict)
    family: Family = field(default_factory=Family)

    def without_samples(self) -> ScoredColumn:
        """What `corrected` needs: a wide table's resamples would fill the memory."""
        return replace(self, samples={}, contrasts={})


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
        others_than = [r for r in whole if r not in best and r not in opened.floors]
        to_best = {r: most_unlike(r, best, [opened]) for r in others_than}
    views: dict[Pair, tuple[Selection, Selection]] = {}
    for pair in [*to_base.items(), *to_best.items(), *more]:
        if set(pair) <= set(whole) and (found := paired_views(table, *pair)) is not None:
            views[pair] = found
    clean: dict[Pair, tuple[Selection, Selection]] = {}
    for pair in to_base.items():
        leaked = leaked_to(table, *pair)
        if leaked.any() and (found := paired_views(table, *pair, ~leaked)) is not None:
            clean[pair] = found
    floor = best_floor(opened.scores, opened.floors, opened.sign)
    over = {
        label: found
        for label in whole
        if floor and label not in opened.floors
        if (found := paired_views(table, label, floor)) is not None
    }
    compare = [*views.values(), *clean.values(), *over.values()]
    wanted = [*whole.values(), *(view for both in compare for view in both)]
    samples = resample(table, wanted, resamples)
    compared = contrast(table, compare, samples, resamples)
    held_at = crossed(table, whole.values(), resamples)
    spread = spread_of(opened, table, samples, resamples)
    unit = opened.raw.column.unit
    loose: dict[tuple[ContrastKind, str], Loose] = {}
    family = Family()
    counted: set[tuple[bool, frozenset[str]]] = set()

    def told(
        kind: ContrastKind, pair: Pair, of: Mapping[Pair, tuple[Selection, Selection]]
    ) -> Difference | None:
        if pair not in of:
            return None
        limits = bounds_of(unit, *(table.answers[label] for label in pair))
        found = compared[of[pair]]
        one = loose[kind, pair[0]] = _loose(found, limits)
        # A pair that stands in two places is one comparison.
        if (which := (kind == "clean", frozenset(pair))) not in counted:
            counted.add(which)
            family.add(found.samples, found.value, found.documents)
        return _difference(pair[1], found, one.alone, unit, lower=opened.sign < 0)

    for label, view in whole.items():
        cell = cells[label]
        cell = replace(
            cell,
            interval=_interval(opened, label, samples[view], held_at),
        )
        base, top = (label, to_base.get(label, "")), (label, to_best.get(label, ""))
        cells[label] = replace(
            cell,
            difference=told("difference", base, views),
            best=label in best,
            to_best=told("to_best", top, views),
            clean=told("clean", base, clean),
            floor=_floor(opened, floor, compared[over[label]]) if label in over else None,
        )
    return ScoredColumn(
        cells,
        {label: samples[view] for label, view in whole.items()},
        {pair: compared[both] for pair, both in views.items()},
        spread,
        {label: held_at.of(view) for label, view in whole.items()},
        {label: looseness(table, view) for label, view in whole.items()},
        opened.sign,
        loose,
        family,
    )


def _interval(opened: OpenColumn, label: str, samples: Floats, held_at: Crossed) -> Interval:
    """Of a score: with other items, and with other wordings and makes where it has several."""
    assert opened.table is not None
    score = opened.scores[label]
    limits = bounds_of(opened.raw.column.unit, opened.table.answers[label])
    found = interval(samples, score, opened.cells[label].documents, *limits)
    extra = total(levels.extra() for levels in held_at.of(opened.whole[label]))
    return extra.widened(found, score, *limits)


def _floor(opened: OpenColumn, label: str, found: Contrast) -> Floor:
    """The best row without a model, seen from a model's."""
    assert opened.table is not None
    limits = bounds_of(opened.raw.column.unit, *opened.table.answers.values())
    span = limits[1] - limits[0]
    alone = found.interval(-span, span)
    above = alone.low > 0 if opened.sign > 0 else alone.high < 0
    return Floor(label, opened.scores[label], alone, above)


def _loose(found: Contrast, limits: tuple[float, float]) -> Loose:
    span = limits[1] - limits[0]
    return Loose(
        value=found.value,
        alone=found.interval(-span, span),
        error=math.hypot(float(np.std(found.samples)), found.extra.error),
        units=found.documents,
        low=-span,
        high=span,
    )


def _difference(
    other: str, found: Contrast, alone: Interval, unit: Unit, *, lower: bool
) -> Difference:
    """The difference as it is alone; `corrected` sees it among the others."""
    return Difference(
        other=other,
        value=found.value,
        interval=alone,
        simultaneous=agreeing(alone, found.value, found.p),
        p=found.p,
        p_holm=found.p,
        test=found.test,
        detectable=detectable(found.samples, found.extra.error),
        n=found.n,
        unit=unit,
        draws=found.draws,
        wordings=found.wordings,
        lower_is_better=lower,
        leaks=found.leaks,
    )


def corrected(columns: Sequence[ScoredColumn]) -> list[dict[str, Cell]]:
    """Corrected p, simultaneous intervals and ranks, from every difference in the table.

    Three families: the differences to a base; those to the best, a tie with it counted
    as the comparison that it is (p = 1); and those to a base as they are without leaked
    items, in which the differences that have none to leave out stand as they are. The
    intervals hold for all three at once. A pair of which a difference stands in the table
    is ranked by that difference: what has no star has no place before the other by it.
    """
    result = [dict(column.cells) for column in columns]
    family = Family()
    for column in columns:
        family.take(column.family)
    critical = family.critical()
    kinds: tuple[ContrastKind, ...] = ("difference", "to_best", "clean")
    for kind in kinds:
        places = [
            (column, cells, label, found, getattr(cell, kind) is not None)
            for column, cells in zip(columns, result, strict=True)
            for label, cell in cells.items()
            if (found := getattr(cell, kind) or (cell.difference if kind == "clean" else None))
            is not None
        ]
        ties = sum(tied(cells) for cells in result) if kind == "to_best" else 0
        p_values = holm([*(found.p for *_, found, _ in places), *[1.0] * ties])
        for (column, cells, label, found, own), p in zip(places, p_values, strict=False):
            if own:
                span = together(column.loose[kind, label], critical, p)
                changed: dict[str, Any] = {kind: replace(found, p_holm=p, simultaneous=span)}
                cells[label] = replace(cells[label], **changed)
    for column, cells in zip(columns, result, strict=True):
        for label, rank in _ranks(column, cells).items():
            cells[label] = replace(cells[label], rank=rank)
    return result


def _ranks(column: ScoredColumn, cells: Mapping[str, Cell]) -> dict[str, tuple[int, int]]:
    spread = column.spread
    errors = np.sqrt(np.maximum(spread.variances, 0))
    sure = surely_apart(spread.labels, cells)
    ranks = rank_ranges(column.sign * spread.gaps, errors, spread.documents, sure)
    return dict(zip(spread.labels, ranks, strict=True))


def surely_apart(
    labels: Sequence[str], entries: Mapping[str, Cell] | Mapping[str, Average]
) -> dict[tuple[int, int], bool]:
    """Places of two rows, the lower first -> whether a difference of them in the table is sure.

    A pair may stand there twice, as a row against its base and as the base against the best.
    Each is corrected among others of its kind, so that one may have a star alone: it counts.
    """
    place = {label: number for number, label in enumerate(labels)}
    result: dict[tuple[int, int], bool] = {}
    for label in labels:
        for found in (entries[label].difference, entries[label].to_best):
            if found is not None and found.other in place:
                one, two = sorted((place[label], place[found.other]))
                result[one, two] = result.get((one, two), False) or found.significant
    return result


def tied(entries: Mapping[str, Cell] | Mapping[str, Average]) -> int:
    """How many rows are the best beside the first that is."""
    return max(0, sum(entry.best for entry in entries.values()) - 1)
