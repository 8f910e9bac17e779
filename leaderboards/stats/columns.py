"""One task's column: every model's score, its difference to its base and to the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.leaks.report import LEAKED
from harness.record import UNSCORED
from harness.suites.metrics import Unit
from leaderboards.board import Average, ByDraw, Cell, Column, Difference, RawColumn
from leaderboards.spec import MOST_MISSING
from leaderboards.stats.compare import Contrast, by_draw, contrast, documents_of, estimate, resample
from leaderboards.stats.missing import bounds, missing_share
from leaderboards.stats.resampling import Floats, interval
from leaderboards.stats.sheet import (
    Answers,
    Sheet,
    View,
    paired_views,
    sheet,
    summands_of,
    whole_view,
)
from leaderboards.stats.significance import detectable, holm, rank_ranges
from tasks.aggregation import AGGREGATIONS

Pair = tuple[str, str]
TIE = 1e-12
_ROUNDING = 1e-9
# Views of a rank's pairs that are resampled at once: 80 MB at 10,000 resamples.
_AT_ONCE = 1_000


@dataclass(frozen=True)
class OpenColumn:
    """A column before its models are compared.

    Attributes:
        cells: counts, scores, shares of missing and leaked items.
        whole: row -> all it answered; without rows that have no score.
        scores: of these rows, over all that each answered.
        ranked: the rows that may be put in an order.
    """

    raw: RawColumn
    table: Sheet | None
    cells: Mapping[str, Cell]
    whole: Mapping[str, View]
    scores: Mapping[str, float]
    ranked: tuple[str, ...]

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1."""
        return 1 if self.raw.column.higher_is_better else -1

    def best(self) -> tuple[str, ...]:
        """The ranked rows with the best score: several where they tie."""
        top = max((self.sign * self.scores[label] for label in self.ranked), default=0.0)
        return tuple(r for r in self.ranked if self.sign * self.scores[r] >= top - TIE)

    def unlikeness(self, label: str, other: str) -> float:
        """How far two rows' answers differ; -1 where they share none."""
        assert self.table is not None
        views = paired_views(self.table, label, other)
        if views is None:
            return -1.0
        first, second = (summands_of(self.table, view) for view in views)
        return float(np.square(first - second).sum())


@dataclass(frozen=True)
class Spread:
    """Every ranked row minus every other on what both answered: (rows, rows).

    `variances` are those of the differences; `documents` counts the fewest behind any.
    """

    labels: tuple[str, ...]
    gaps: Floats
    variances: Floats
    documents: int


@dataclass(frozen=True)
class ScoredColumn:
    """One column with its statistics; samples, contrasts and spread feed the averages."""

    cells: Mapping[str, Cell]
    samples: Mapping[str, Floats]
    contrasts: Mapping[Pair, Contrast]
    spread: Spread


def open_column(raw: RawColumn, most_missing: float = MOST_MISSING) -> OpenColumn:
    """Align a column's answers; say what has a score and what may be ranked."""
    column = raw.column
    counts = {label: _cell(draws, column) for label, draws in raw.cells.items()}
    aggregations = {
        str(record.manifest["metrics"][column.metric]["aggregation"])
        for draws in raw.cells.values()
        for record in draws.values()
    }
    table = None
    if len(aggregations) == 1 and aggregations <= set(AGGREGATIONS):
        readable = {label: draws for label, draws in raw.cells.items() if _distinct(draws)}
        table = sheet(readable, column.metric, column.rank_of or column.task) if readable else None
    if table is None:
        return OpenColumn(raw, None, counts, {}, {}, ())
    cells, whole, scores, ranked = dict(counts), {}, {}, []
    for label in table.answers:
        counted = counts[label]
        share = missing_share(table.answers[label])
        cell = replace(counted, missing=share, bounds=bounds(table, label) if share else None)
        view = whole_view(table, label)
        if view is None or cell.untested:
            cells[label] = replace(cell, score=None, by_draw=())
            continue
        if not _agrees(table, view, raw):
            continue  # the record's own score stands, without an interval
        whole[label], scores[label] = view, estimate(table, view)
        cells[label] = replace(
            cell,
            score=scores[label],
            by_draw=tuple(float(value) for value in by_draw(table, view)),
            documents=documents_of(view),
        )
        if share <= most_missing:
            ranked.append(label)
    return OpenColumn(raw, table, cells, whole, scores, tuple(ranked))


def _distinct(draws: ByDraw) -> bool:
    """Whether a row's items can be told apart by their ids."""
    return all(len({i["id"] for i in r.items}) == len(r.items) for r in draws.values())


def _agrees(table: Sheet, view: View, raw: RawColumn) -> bool:
    """Whether the sheet gives the score that each whole record of a row states.

    Records name an aggregation; one that another function of that name made must
    not be computed anew into another number.
    """
    for record, score in zip(raw.cells[view.model].values(), by_draw(table, view), strict=True):
        stated = record.summary["metrics"].get(raw.column.metric)
        whole = bool(record.summary["complete"]) and stated is not None
        if whole and abs(float(stated) - score) > _ROUNDING * max(1.0, abs(score)):
            return False
    return True


def bounds_of(unit: Unit, *models: Answers) -> tuple[float, float]:
    """The least and greatest value that a score of these models can have.

    A share's are 0 and 1. Of a mean of other numbers, those of the items; no other
    aggregation of these can be resampled.
    """
    if unit == "share":
        return 0.0, 1.0
    values = [answers.summands[:, answers.present, 0] for answers in models]
    return min(float(v.min()) for v in values), max(float(v.max()) for v in values)


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
        return ScoredColumn(cells, {}, {}, Spread((), np.zeros((0, 0)), np.zeros((0, 0)), 0))
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
    spread = _spread(opened, table, samples, resamples)
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
        for kind, pair in (
            ("difference", (label, to_base.get(label, ""))),
            ("to_best", (label, to_best.get(label, ""))),
        ):
            if pair in views:
                cell = replace(cell, **{kind: told(pair, views)})
        pair = (label, to_base.get(label, ""))
        if pair in clean:
            cell = replace(cell, clean=told(pair, clean))
        cells[label] = cell
    return ScoredColumn(
        cells,
        {label: samples[view] for label, view in whole.items()},
        {pair: compared[both] for pair, both in views.items()},
        spread,
    )


def most_unlike(label: str, best: Sequence[str], columns: Sequence[OpenColumn]) -> str:
    """Of several rows with one score, the one whose answers differ most from a row's.

    Where rows tie no name decides which is the best; this is the most cautious to test.
    """
    if len(best) == 1:
        return best[0]
    return max(sorted(best), key=lambda o: sum(c.unlikeness(label, o) for c in columns))


def _spread(
    opened: OpenColumn, table: Sheet, samples: Mapping[View, Floats], resamples: int
) -> Spread:
    """The ranked rows' differences, pair by pair where two did not answer the same."""
    labels, whole = opened.ranked, opened.whole
    if not labels:
        return Spread((), np.zeros((0, 0)), np.zeros((0, 0)), 0)
    scores = np.array([opened.scores[label] for label in labels])
    covariance = np.atleast_2d(np.cov(np.stack([samples[whole[label]] for label in labels])))
    own = np.diag(covariance)
    gaps = scores[:, None] - scores[None, :]
    variances = own[:, None] + own[None, :] - 2 * covariance
    documents = min(opened.cells[label].documents for label in labels)
    special: dict[tuple[int, int], tuple[View, View]] = {}
    for i in range(len(labels)):
        for j in range(i):
            one, two = whole[labels[i]], whole[labels[j]]
            if (one.mask, one.documents, one.draws) != (two.mask, two.documents, two.draws):
                views = paired_views(table, labels[i], labels[j])
                if views is None:  # nothing in common: nothing can be said
                    gaps[i, j] = gaps[j, i] = 0.0
                else:
                    special[i, j] = views
                    documents = min(documents, documents_of(views[0]))
    # Many such pairs are told apart well enough by fewer resamples.
    count = resamples if len(special) <= _AT_ONCE else max(100, resamples // 10)
    places = list(special)
    for start in range(0, len(places), _AT_ONCE):
        some = places[start : start + _AT_ONCE]
        drawn = resample(table, [view for place in some for view in special[place]], count)
        for i, j in some:
            one, two = special[i, j]
            value = estimate(table, one) - estimate(table, two)
            gaps[i, j], gaps[j, i] = value, -value
            variances[i, j] = variances[j, i] = float(np.var(drawn[one] - drawn[two], ddof=1))
    return Spread(labels, gaps, variances, documents)


def _cell(draws: ByDraw, column: Column) -> Cell:
    """Counts of a cell, and the records' own score, which cannot be resampled."""
    summaries = [record.summary for record in draws.values()]
    values = [summary["metrics"].get(column.metric) for summary in summaries]
    known = [float(value) for value in values if value is not None]
    leaked = {
        item["id"]
        for record in draws.values()
        for item in record.items
        if LEAKED in item.get("flags", ())
    }
    items = {item["id"] for record in draws.values() for item in record.items}
    unscored = {
        item["id"]
        for record in draws.values()
        for item in record.items
        if item["status"] in UNSCORED or column.metric not in item["metrics"]
    }
    # What a model was made from holds every item: it was not tested.
    whole = bool(known) and len(known) == len(values) and leaked != items

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
        leaked=len(leaked),
        untested=bool(items) and leaked == items,
        missing=len(unscored) / len(items) if items else 0.0,
        unit=column.unit,
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
                cells[label] = replace(cells[label], **{kind: replace(found, p_holm=p)})
    return result


def tied(entries: Mapping[str, Cell] | Mapping[str, Average]) -> int:
    """How many rows are the best beside the first that is."""
    best = [e for e in entries.values() if e.rank is not None and e.to_best is None]
    return max(0, len(best) - 1)
