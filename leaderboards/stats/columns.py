"""One task's column: every model's score, its difference to its base and to the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leaderboards.board import ByDraw, Cell, Difference, RawColumn
from leaderboards.stats.compare import Contrast, by_draw, contrast, documents_of, estimate, resample
from leaderboards.stats.resampling import Floats, interval
from leaderboards.stats.sheet import Mask, Sheet, View, paired_views, sheet, whole_view
from leaderboards.stats.significance import detectable, holm, rank_ranges
from tasks.aggregation import AGGREGATIONS


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
        return ScoredColumn(
            {label: _cell(draws, column.metric) for label, draws in raw.cells.items()}, {}, {}
        )
    table = sheet(raw.cells, column.metric, column.rank_of or column.task)
    if table is None:
        return ScoredColumn(
            {label: _cell(draws, column.metric) for label, draws in raw.cells.items()}, {}, {}
        )
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
        cell = _cell(draws, column.metric)
        if label in whole:
            cell = _with_statistics(cell, table, whole[label], scores[label], samples)
            cell = replace(cell, rank=ranks[ranked.index(label)])
        if label in contrasts:
            cell = replace(cell, difference=_difference(others[label], contrasts[label]))
            cell = replace(cell, leaked=int(leaks[label].sum()))
        if label in clean:
            cell = replace(cell, clean=_difference(others[label], compared[clean[label]]))
        if label in to_best:
            cell = replace(cell, to_best=_difference(best, compared[to_best[label]]))
        cells[label] = cell
    by_label = {label: samples[view] for label, view in whole.items()}
    return ScoredColumn(cells, by_label, contrasts)


def _leaked(table: Sheet, label: str, other: str) -> Mask:
    return table.answers[label].leaked | table.answers[other].leaked


def _cell(draws: ByDraw, metric: str) -> Cell:
    """Counts of a cell, and the records' own score, which cannot be resampled."""
    summaries = [record.summary for record in draws.values()]
    values = [summary["metrics"].get(metric) for summary in summaries]
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
    )


def _with_statistics(
    cell: Cell, table: Sheet, view: View, score: float, samples: Mapping[View, Floats]
) -> Cell:
    documents = documents_of(table, view)
    return replace(
        cell,
        score=score,
        by_draw=tuple(float(value) for value in by_draw(table, view)),
        documents=documents,
        interval=interval(samples[view], score, documents),
    )


def _difference(other: str, found: Contrast) -> Difference:
    return Difference(
        other=other,
        value=found.value,
        interval=interval(found.samples, found.value, found.documents, low=-1.0),
        p=found.p,
        p_holm=found.p,
        test=found.test,
        detectable=detectable(found.samples),
        n=found.n,
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
