"""Many models on the items of one task, aligned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.leaks.report import LEAKED
from harness.types import UNSCORED
from leaderboards.board import ByDraw
from leaderboards.stats.resampling import Floats
from tasks.resample import summands

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
NOWHERE = -1  # the document of an item that is not asked


@dataclass(frozen=True)
class Answers:
    """One model on a sheet's items.

    Attributes:
        draws: of demonstrations, rising.
        summands: (draws, items, sums), zeros for an item without a score.
        documents: (items,) the number of each item's document as this model's record
            has it, `NOWHERE` for an item it was not asked.
        present: (items,) which items have a score; one that failed in one draw is left
            out of all draws of this model.
        leaked: (items,) which were found in what the model was made from.
    """

    draws: tuple[int, ...]
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
class Sheet:
    """All models on one task.

    Attributes:
        seed: names the resamples; views of one seed and the same documents are paired.
        aggregation: a name of `tasks.aggregation.AGGREGATIONS`.
        ids: of every item that any model was asked, sorted.
    """

    seed: str
    aggregation: str
    ids: tuple[str, ...]
    answers: Mapping[str, Answers]


@dataclass(frozen=True)
class View:
    """A model on some of a sheet's items and draws.

    `documents` are those resampled: of all items asked, so that a failed call changes
    no one else's resamples; only items of `mask` add to a score.
    """

    model: str
    mask: bytes
    documents: bytes
    draws: tuple[int, ...]


def sheet(cells: Mapping[str, ByDraw], metric: str, seed: str) -> Sheet | None:
    """The items of all models on one metric, aligned by id; None if none has a score."""
    aggregation = next(
        str(record.manifest["metrics"][metric]["aggregation"])
        for draws in cells.values()
        for record in draws.values()
    )
    values: dict[str, dict[int, dict[str, list[float]]]] = {}
    documents: dict[str, dict[str, str]] = {}
    leaked: dict[str, set[str]] = defaultdict(set)
    known: dict[str, list[float]] = {}
    for label, draws in cells.items():
        values[label], documents[label] = {}, {}
        for draw, record in draws.items():
            scored = values[label][draw] = {}
            for item in record.items:
                name = item["id"]
                documents[label].setdefault(name, str(item["document"]))
                if LEAKED in item.get("flags", ()):
                    leaked[label].add(name)
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
    for label, draws_of in values.items():
        order = sorted(draws_of)
        common = set.intersection(*(set(draws_of[draw]) for draw in order))
        present = np.array([name in common for name in ids])
        table = [
            summands(
                aggregation,
                np.array([*(draws_of[draw].get(i, known.get(i, widest)) for i in ids), widest]),
            )[:-1]
            * present[:, None]
            for draw in order
        ]
        own = documents[label]
        answers[label] = Answers(
            draws=tuple(order),
            summands=np.stack(table),
            documents=np.array([numbers[own[i]] if i in own else NOWHERE for i in ids]),
            present=present,
            leaked=np.array([i in leaked[label] for i in ids]),
        )
    return Sheet(seed=seed, aggregation=aggregation, ids=tuple(ids), answers=answers)


def whole_view(sheet: Sheet, model: str) -> View | None:
    """Every item and draw the model was scored on; None if there is none."""
    answers = sheet.answers[model]
    if not answers.present.any():
        return None
    return View(model, answers.present.tobytes(), answers.documents.tobytes(), answers.draws)


def paired_views(
    sheet: Sheet, first: str, second: str, only: Mask | None = None
) -> tuple[View, View] | None:
    """Two models on the items and draws both answered, or None if there are none.

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
    draws = tuple(draw for draw in one.draws if draw in two.draws)
    if not draws or not common.any():
        return None
    mask, places = common.tobytes(), documents.tobytes()
    return View(first, mask, places, draws), View(second, mask, places, draws)


def mask_of(view: View) -> Mask:
    """(items,) which items a view's score is of."""
    return np.frombuffer(view.mask, dtype=np.bool_)


def places_of(view: View) -> Places:
    """(items,) the documents a view resamples."""
    return np.frombuffer(view.documents, dtype=np.int64)


def summands_of(sheet: Sheet, view: View) -> Floats:
    """(draws, items, sums) of the draws and items behind a view's score."""
    answers = sheet.answers[view.model]
    kept = [answers.draws.index(draw) for draw in view.draws]
    summed: Floats = answers.summands[kept][:, mask_of(view)]
    return summed
