"""Many models on the items of one task, aligned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.types import UNSCORED
from leaderboards.board import ByDraw, Way
from leaderboards.records.rows import leaked_ids
from leaderboards.stats.resampling import Floats
from tasks.resample import summands

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
Factor = Literal["draw", "wording", "make"]
NOWHERE = -1  # the document of an item that is not asked


@dataclass(frozen=True)
class Summands:
    """One model on a sheet's items.

    Attributes:
        ways: in which it was asked, and its makes, rising.
        summands: (ways, items, sums), zeros for an item without a score.
        documents: (items,) the number of each item's document as this model's record
            has it, `NOWHERE` for an item it was not asked.
        present: (items,) which items have a score; one that failed in one way is left
            out of all ways of this model.
        leaked: (items,) which were found in what the model was made from.
    """

    ways: tuple[Way, ...]
    summands: Floats
    documents: Places
    present: Mask
    leaked: Mask

    @property
    def asked(self) -> Mask:
        """Which items the model was asked, answered or not."""
        asked: Mask = self.documents != NOWHERE
        return asked


@dataclass(frozen=True)
class PairedItems:
    """All models on one task.

    Attributes:
        seed: names the resamples; views of one seed and the same documents are paired.
        aggregation: a name of `tasks.aggregation.AGGREGATIONS`.
        ids: of every item that any model was asked, sorted.
    """

    seed: str
    aggregation: str
    ids: tuple[str, ...]
    answers: Mapping[str, Summands]


@dataclass(frozen=True)
class Selection:
    """A model on some of a sheet's items and ways.

    `documents` are those resampled: of all items asked, so that a failed call changes
    no one else's resamples; only items of `mask` add to a score. Of a pair the two views'
    `ways` go together one by one, so that a way may stand there several times.
    """

    model: str
    mask: bytes
    documents: bytes
    ways: tuple[Way, ...]

    def levels(self, factor: Factor) -> tuple[int, ...]:
        """The draws, wordings or makes that the score is the mean of."""
        return tuple(sorted({getattr(way, factor) for way in self.ways}))


def sheet(cells: Mapping[str, ByDraw], metric: str, seed: str) -> PairedItems | None:
    """The items of all models on one metric, aligned by id; None if none has a score."""
    aggregation = next(
        str(record.manifest["metrics"][metric]["aggregation"])
        for draws in cells.values()
        for record in draws.values()
    )
    values: dict[str, dict[Way, dict[str, list[float]]]] = {}
    documents: dict[str, dict[str, str]] = {}
    leaked: dict[str, set[str]] = defaultdict(set)
    known: dict[str, list[float]] = {}
    for label, draws in cells.items():
        values[label], documents[label] = {}, {}
        for way, record in draws.items():
            scored = values[label][way] = {}
            leaked[label] |= leaked_ids(record)
            for item in record.items:
                name = item["id"]
                documents[label].setdefault(name, str(item["document"]))
                if item["status"] in UNSCORED or metric not in item["metrics"]:
                    continue
                value = item["metrics"][metric]
                scored[name] = list(value) if isinstance(value, list | tuple) else [value]
            known |= scored
    if not known:
        return None
    # All models' sums have one shape: that of the widest row of any (the highest label
    # of `macro_f1`), which stands in for the items left out and adds nothing.
    every = (v for draws in values.values() for scored in draws.values() for v in scored.values())
    widest = max(every, key=lambda value: value[0])
    ids = sorted(set().union(*documents.values()))
    named = sorted({document for own in documents.values() for document in own.values()})
    numbers = {name: number for number, name in enumerate(named)}
    answers = {}
    for label, ways_of in values.items():
        order = _asked_of_all(ways_of)
        common = set.intersection(*(set(ways_of[way]) for way in order))
        present = np.array([name in common for name in ids])
        table = [
            summands(
                aggregation,
                np.array([*(ways_of[way].get(i, known.get(i, widest)) for i in ids), widest]),
            )[:-1]
            * present[:, None]
            for way in order
        ]
        own = documents[label]
        answers[label] = Summands(
            ways=tuple(order),
            summands=np.stack(table),
            documents=np.array([numbers[own[i]] if i in own else NOWHERE for i in ids]),
            present=present,
            leaked=np.array([i in leaked[label] for i in ids]),
        )
    return PairedItems(seed=seed, aggregation=aggregation, ids=tuple(ids), answers=answers)


def _asked_of_all(ways: Iterable[Way]) -> list[Way]:
    """The ways in which every make was asked; of makes with nothing in common, the first make's."""
    ordered = sorted(ways)
    makes = {way.make for way in ordered}
    every = [{way.asked for way in ordered if way.make == make} for make in makes]
    common = set.intersection(*every)
    if common:
        return [way for way in ordered if way.asked in common]
    return [way for way in ordered if way.make == min(makes)]


def whole_view(sheet: PairedItems, model: str) -> Selection | None:
    """Every item and way the model was scored on; None if there is none."""
    answers = sheet.answers[model]
    if not answers.present.any():
        return None
    return Selection(model, answers.present.tobytes(), answers.documents.tobytes(), answers.ways)


def paired_views(
    sheet: PairedItems, first: str, second: str, only: Mask | None = None
) -> tuple[Selection, Selection] | None:
    """Two models on the items, draws and wordings both answered, or None if there are none.

    Each make of the one stands beside each make of the other.

    Where their records place an item in different documents, the first name counts:
    the same for either order of the two, and whatever other models there are.

    Args:
        only: leaves no other items, not even as documents to resample.
    """
    one, two = sheet.answers[first], sheet.answers[second]
    documents = np.where(one.asked & two.asked, np.minimum(one.documents, two.documents), NOWHERE)
    common = one.present & two.present
    if only is not None:
        documents, common = np.where(only, documents, NOWHERE), common & only
    pairs = [(mine, its) for mine in one.ways for its in two.ways if mine.asked == its.asked]
    if not pairs or not common.any():
        return None
    mask, places = common.tobytes(), documents.tobytes()
    ours, theirs = (tuple(ways) for ways in zip(*pairs, strict=True))
    return Selection(first, mask, places, ours), Selection(second, mask, places, theirs)


def leaked_to(sheet: PairedItems, first: str, second: str) -> Mask:
    """(items,) which items either of two models was made from."""
    leaked: Mask = sheet.answers[first].leaked | sheet.answers[second].leaked
    return leaked


def mask_of(view: Selection) -> Mask:
    """(items,) which items a view's score is of."""
    return np.frombuffer(view.mask, dtype=np.bool_)


def places_of(view: Selection) -> Places:
    """(items,) the documents a view resamples."""
    return np.frombuffer(view.documents, dtype=np.int64)


def summands_of(sheet: PairedItems, view: Selection) -> Floats:
    """(ways, items, sums) of the ways and items behind a view's score."""
    answers = sheet.answers[view.model]
    kept = [answers.ways.index(way) for way in view.ways]
    summed: Floats = answers.summands[kept][:, mask_of(view)]
    return summed
