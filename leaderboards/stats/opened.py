"""A column before its models are compared: answers aligned, scores, what may be ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.suites.metrics import Unit
from harness.types import UNSCORED, Record
from leaderboards.board import ByDraw, Cell, Column, RecordColumn, Way
from leaderboards.claims.answers import one_answer
from leaderboards.claims.floors import floors_of
from leaderboards.gather import resampled
from leaderboards.records.rows import leaked_ids
from leaderboards.spec import MOST_MISSING
from leaderboards.stats.missing import bounds, missing_share
from leaderboards.stats.scores import by_level, by_way, documents_of, item_weight, score_of
from leaderboards.stats.sheet import (
    PairedItems,
    Selection,
    Summands,
    mask_of,
    paired_views,
    sheet,
    summands_of,
    whole_view,
)

TIE = 1e-12  # scores this near are equal: the rounding of sums
_ROUNDING = 1e-9


@dataclass(frozen=True)
class OpenColumn:
    """A column before its models are compared.

    Attributes:
        cells: counts, scores, shares of missing and leaked items.
        whole: row -> all it answered; without rows that have no score.
        scores: of these rows, over all that each answered.
        ranked: the rows that may be put in an order.
    """

    raw: RecordColumn
    table: PairedItems | None
    cells: Mapping[str, Cell]
    whole: Mapping[str, Selection]
    scores: Mapping[str, float]
    ranked: tuple[str, ...]

    @property
    def floors(self) -> frozenset[str]:
        """The rows that need no model."""
        return floors_of(self.raw)

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


def open_column(raw: RecordColumn, most_missing: float = MOST_MISSING) -> OpenColumn:
    """Align a column's answers; say what has a score and what may be ranked."""
    column = raw.column
    counts = {label: _cell(draws, column) for label, draws in raw.cells.items()}
    table = None
    if resampled(raw):
        readable = {label: draws for label, draws in raw.cells.items() if _distinct(draws)}
        table = sheet(readable, column.metric, column.rank_of or column.task) if readable else None
    if table is None:
        return OpenColumn(raw, None, counts, {}, {}, ())
    cells, whole, scores, ranked = dict(counts), {}, {}, []
    floors = floors_of(raw)
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
        whole[label], scores[label] = view, score_of(table, view)
        cells[label] = replace(
            cell,
            score=scores[label],
            by_draw=by_level(table, view, "draw"),
            weight=item_weight(table, view),
            one_answer=0.0 if label in floors else one_answer(raw.cells[label], column.metric),
            **_levels(table, view),
            documents=documents_of(view),
        )
        if share <= most_missing and label not in floors:
            ranked.append(label)
    return OpenColumn(raw, table, cells, whole, scores, tuple(ranked))


def _levels(table: PairedItems, view: Selection) -> dict[str, Any]:
    """Wordings and makes of a score, with the score in each where there are several."""
    found: dict[str, Any] = {}
    for factor in ("wording", "make"):
        held = view.levels(factor)
        found[f"{factor}s"] = held
        found[f"by_{factor}"] = by_level(table, view, factor) if len(held) > 1 else ()
    return found


def _distinct(draws: ByDraw) -> bool:
    """Whether a row's items can be told apart by their ids."""
    return all(len({i["id"] for i in r.items}) == len(r.items) for r in draws.values())


def _agrees(table: PairedItems, view: Selection, raw: RecordColumn) -> bool:
    """Whether the sheet gives the score that each whole record of a row states.

    Records name an aggregation; one that another function of that name made must
    not be computed anew into another number. A record is asked about all of its own items,
    also those that a failed call, or another draw, leaves out of the row's score.
    """
    records, metric = raw.cells[view.model], raw.column.metric
    common = int(mask_of(view).sum())
    for way, shared in zip(view.ways, by_way(table, view), strict=True):
        record = records[way]
        stated = record.summary["metrics"].get(metric)
        if not record.summary["complete"] or stated is None:
            continue
        score = shared if len(record.items) == common else _own_score(record, way, metric, shared)
        if abs(float(stated) - score) > _ROUNDING * max(1.0, abs(score)):
            return False
    return True


def _own_score(record: Record, way: Way, metric: str, otherwise: float) -> float:
    """The score of one record over all of its items; `otherwise` where none has one."""
    name = record.manifest["model"]
    table = sheet({name: {way: record}}, metric, "")
    view = whole_view(table, name) if table else None
    return score_of(table, view) if table and view else otherwise


def bounds_of(unit: Unit, *models: Summands) -> tuple[float, float]:
    """The least and greatest value that a score of these models can have.

    A share's are 0 and 1. Of a mean of other numbers, those of the items; no other
    aggregation of these can be resampled.
    """
    if unit == "share":
        return 0.0, 1.0
    values = [answers.summands[:, answers.present, 0] for answers in models]
    return min(float(v.min()) for v in values), max(float(v.max()) for v in values)


def most_unlike(label: str, best: Sequence[str], columns: Sequence[OpenColumn]) -> str:
    """Of several rows with one score, the one whose answers differ most from a row's.

    Where rows tie no name decides which is the best; this is the most cautious to test.
    """
    if len(best) == 1:
        return best[0]
    return max(sorted(best), key=lambda o: sum(c.unlikeness(label, o) for c in columns))


def _cell(draws: ByDraw, column: Column) -> Cell:
    """Counts of a cell, and the records' own score, which cannot be resampled."""
    summaries = [record.summary for record in draws.values()]
    values = [summary["metrics"].get(column.metric) for summary in summaries]
    known = [float(value) for value in values if value is not None]
    leaked = frozenset[str]().union(*map(leaked_ids, draws.values()))
    items = {item["id"] for record in draws.values() for item in record.items}
    unscored = {
        item["id"]
        for record in draws.values()
        for item in record.items
        if item["status"] in UNSCORED or column.metric not in item["metrics"]
    }
    # What a model was made from holds every item that has a score: it was not tested.
    untested = bool(leaked) and items - unscored <= leaked
    whole = bool(known) and len(known) == len(values) and not untested

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
        draws=tuple(sorted({way.draw for way in draws})),
        by_draw=tuple(known) if whole else (),
        documents=0,
        leaked=len(leaked),
        untested=untested,
        missing=len(unscored) / len(items) if items else 0.0,
        unit=column.unit,
    )
