"""One task's column: every model's score, its difference to its base and to the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.suites.metrics import Unit
from leaderboards.board import ByDraw, Cell, Column, Difference, RawColumn
from leaderboards.stats.compare import Contrast, by_draw, contrast, documents_of, estimate, resample
from leaderboards.stats.resampling import Floats, interval
from leaderboards.stats.sheet import Mask, Sheet, View, paired_views, sheet, whole_view
from leaderboards.stats.significance import detectable, holm, rank_ranges
from tasks.aggregation import AGGREGATIONS

_ROUNDING = 1e-9


@dataclass(frozen=True)
class ScoredColumn:
    """One column with its statistics; samples and contrasts feed the averages."""

    cells: Mapping[str, Cell]
    samples: Mapping[str, Floats]
    contrasts: Mapping[str, Contrast]


def score_column(raw: RawColumn, others: Mapping[str, str], resamples: int) -> ScoredColumn:
    column = raw.column
    aggregations = {
        str(record.manifest["metrics"][column.metric]["aggregation"])
        for draws in raw.cells.values()
        for record in draws.values()
    }
    if len(aggregations) > 1 or not aggregations <= set(AGGREGATIONS):
        return _unresampled(raw)
    table = _readable_sheet(raw)
    if table is None or not _agree(table, raw):
        return _unresampled(raw)
    bounds = bounds_of(table, column.unit)
    whole = {label: whole_view(table, label) for label in table.answers}
    pairs = {
        label: views
        for label, other in others.items()
        if label in whole and other in whole
        if (views := paired_views(table, label, other)) is not None
    }
    leaks = {label: _leaked(table, label, others[label]) for label in pairs}
    clean = {
        label: views
        for label, leaked in leaks.items()
        if leaked.any()
        if (views := paired_views(table, label, others[label], ~leaked)) is not None
    }
    ranked = list(whole)
    sign = 1 if column.higher_is_better else -1
    scores = {label: estimate(table, view) for label, view in whole.items()}
    best = max(ranked, key=lambda label: sign * scores[label])
    to_best = {
        label: views
        for label in ranked
        if label != best and (views := paired_views(table, label, best)) is not None
    }
    compare = [*pairs.values(), *clean.values(), *to_best.values()]
    wanted = [*whole.values(), *(view for views in compare for view in views)]
    samples = resample(table, wanted, resamples)
    compared = contrast(table, compare, samples, resamples)
    contrasts = {label: compared[views] for label, views in pairs.items()}
    ranks = rank_ranges(
        [sign * scores[label] for label in ranked],
        np.stack([sign * samples[whole[label]] for label in ranked]),
    )
    cells = {}
    for label, draws in raw.cells.items():
        cell = _cell(draws, column)
        if label in whole:
            cell = _with_statistics(cell, table, whole[label], scores[label], samples, bounds)
            cell = replace(cell, rank=ranks[ranked.index(label)])
        if label in contrasts:
            cell = replace(
                cell, difference=_difference(others[label], contrasts[label], bounds, column.unit)
            )
            cell = replace(cell, leaked=int(leaks[label].sum()))
        if label in clean:
            cell = replace(
                cell, clean=_difference(others[label], compared[clean[label]], bounds, column.unit)
            )
        if label in to_best:
            cell = replace(
                cell, to_best=_difference(best, compared[to_best[label]], bounds, column.unit)
            )
        cells[label] = cell
    by_label = {label: samples[view] for label, view in whole.items()}
    return ScoredColumn(cells, by_label, contrasts)


def _unresampled(raw: RawColumn) -> ScoredColumn:
    """The records' own scores, without intervals and comparisons."""
    cells = {label: _cell(draws, raw.column) for label, draws in raw.cells.items()}
    return ScoredColumn(cells, {}, {})


def _readable_sheet(raw: RawColumn) -> Sheet | None:
    """The column's sheet; None where there is no item, or they cannot be told apart or read."""
    every = [record.items for draws in raw.cells.values() for record in draws.values()]
    if any(len({item["id"] for item in items}) < len(items) for items in every):
        return None
    try:
        return sheet(raw.cells, raw.column.metric, raw.column.rank_of or raw.column.task)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _agree(table: Sheet, raw: RawColumn) -> bool:
    """Whether the sheet gives the score that each whole record states.

    Records name an aggregation; one that another function of that name made, or whose
    rows share an id, must not be computed anew into another number.
    """
    for label, draws in raw.cells.items():
        if label not in table.answers:
            continue
        scores = by_draw(table, whole_view(table, label))
        for record, score in zip(draws.values(), scores, strict=True):
            stated = record.summary["metrics"].get(raw.column.metric)
            whole = bool(record.summary["complete"]) and stated is not None
            if whole and abs(float(stated) - score) > _ROUNDING * max(1.0, abs(score)):
                return False
    return True


def bounds_of(table: Sheet, unit: Unit) -> tuple[float, float]:
    """The least and greatest value that a score can have.

    A share's are 0 and 1. Of a mean of other numbers, those of the items; no other
    aggregation of these can be resampled.
    """
    if unit == "share":
        return 0.0, 1.0
    values = [answers.summands[:, answers.present, 0] for answers in table.answers.values()]
    return min(float(v.min()) for v in values), max(float(v.max()) for v in values)


def _leaked(table: Sheet, label: str, other: str) -> Mask:
    return table.answers[label].leaked | table.answers[other].leaked


def _cell(draws: ByDraw, column: Column) -> Cell:
    """Counts of a cell, and the records' own score, which cannot be resampled."""
    summaries = [record.summary for record in draws.values()]
    values = [summary["metrics"].get(column.metric) for summary in summaries]
    known = [float(value) for value in values if value is not None]
    whole = bool(known) and len(known) == len(values)

    def total(key: str) -> int:
        return sum(int(summary[key]) for summary in summaries)

    return Cell(
        score=sum(known) / len(known) if whole else None,
        interval=None,
        n=total("n"),
        n_scored=total("n_scored"),
        n_unparseable=total("n_unparseable"),
        n_error=total("n_error"),
        n_cut=total("n_cut"),
        complete=all(bool(summary["complete"]) for summary in summaries),
        draws=tuple(draws),
        by_draw=tuple(known) if whole else (),
        documents=0,
        unit=column.unit,
    )


def _with_statistics(
    cell: Cell,
    table: Sheet,
    view: View,
    score: float,
    samples: Mapping[View, Floats],
    bounds: tuple[float, float],
) -> Cell:
    documents = documents_of(table, view)
    return replace(
        cell,
        score=score,
        by_draw=tuple(float(value) for value in by_draw(table, view)),
        documents=documents,
        interval=interval(samples[view], score, documents, *bounds),
    )


def _difference(other: str, found: Contrast, bounds: tuple[float, float], unit: Unit) -> Difference:
    span = bounds[1] - bounds[0]
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
    )


def corrected(columns: Sequence[Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    """Holm's correction over every difference of a kind in the table: to a base, to the best."""
    result = [dict(cells) for cells in columns]
    for kind in ("difference", "to_best"):
        places = [
            (cells, label, found)
            for cells in result
            for label, cell in cells.items()
            if (found := getattr(cell, kind)) is not None
        ]
        p_values = holm([found.p for _, _, found in places])
        for (cells, label, found), p in zip(places, p_values, strict=True):
            cells[label] = replace(cells[label], **{kind: replace(found, p_holm=p)})
    return result
