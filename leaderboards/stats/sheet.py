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


def sheet(cells: Mapping[str, ByDraw], metric: str, seed: str) -> Sheet | None:
    """The scored items of all models on one metric, aligned by id; None if there are none."""
    aggregation = next(
        str(record.manifest["metrics"][metric]["aggregation"])
        for draws in cells.values()
        for record in draws.values()
    )
    values: dict[str, dict[int, dict[str, list[float]]]] = {}
    documents: dict[str, str] = {}
    leaked: dict[str, set[str]] = defaultdict(set)
    placeholder: dict[str, list[float]] = {}
    for label, draws in cells.items():
        values[label] = {}
        for draw, record in draws.items():
            scored = values[label][draw] = {}
            for item in record.items:
                if LEAKED in item.get("flags", ()):
                    leaked[label].add(item["id"])
                if item["status"] in UNSCORED or metric not in item["metrics"]:
                    continue
                value = item["metrics"][metric]
                scored[item["id"]] = list(value) if isinstance(value, list | tuple) else [value]
                documents.setdefault(item["id"], str(item["document"]))
            placeholder |= scored
    ids = sorted(placeholder)
    if not ids:
        return None
    answers = {}
    for label, draws_of in values.items():
        order = sorted(draws_of)
        common = set.intersection(*(set(draws_of[draw]) for draw in order))
        present = np.array([name in common for name in ids])
        if not present.any():
            continue
        # Left-out items borrow another model's row, so that all models have sums
        # of one shape, and then add nothing.
        table = [
            summands(aggregation, np.array([draws_of[draw].get(i, placeholder[i]) for i in ids]))
            * present[:, None]
            for draw in order
        ]
        answers[label] = Answers(
            tuple(order), np.stack(table), present, np.array([i in leaked[label] for i in ids])
        )
    index = {name: number for number, name in enumerate(sorted(set(documents.values())))}
    return Sheet(
        seed=seed,
        aggregation=aggregation,
        ids=tuple(ids),
        documents=np.array([index[documents[i]] for i in ids], dtype=np.int64),
        answers=answers,
    )


Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """One model's summands on a sheet's items: (draws, items, sums).

    `present`: which items were scored; one that failed in one draw is left out of
    all draws of this model. `leaked`: which were found in what it was made from.
    """

    draws: tuple[int, ...]
    summands: Floats
    present: Mask
    leaked: Mask


@dataclass(frozen=True)
class Sheet:
    """All models on one task.

    Attributes:
        seed: names the resamples; sheets of one seed and the same documents are paired.
        aggregation: a name of `tasks.aggregation.AGGREGATIONS`.
        ids: item ids, sorted.
        documents: (items,) the index of each item's document.
    """

    seed: str
    aggregation: str
    ids: tuple[str, ...]
    documents: NDArray[np.int64]
    answers: Mapping[str, Answers]


@dataclass(frozen=True)
class View:
    """A model on some of a sheet's items and draws."""

    model: str
    mask: bytes
    draws: tuple[int, ...]


def whole_view(sheet: Sheet, model: str) -> View:
    """Every item and draw the model was scored on."""
    answers = sheet.answers[model]
    return View(model, answers.present.tobytes(), answers.draws)


def paired_views(
    sheet: Sheet, first: str, second: str, mask: Mask | None = None
) -> tuple[View, View] | None:
    """Two models on the items and draws both have, or None if there are none.

    `mask` leaves only some items.
    """
    one, two = sheet.answers[first], sheet.answers[second]
    common = one.present & two.present
    if mask is not None:
        common = common & mask
    draws = tuple(draw for draw in one.draws if draw in two.draws)
    if not draws or not common.any():
        return None
    return View(first, common.tobytes(), draws), View(second, common.tobytes(), draws)
