"""The aggregations of `tasks.aggregation`, for thousands of resamples at once.

A bootstrap draws items with repetition; a draw is a vector of weights saying
how often each item was taken. Every aggregation is a function of weighted sums
of counts, so it comes in two halves: what each item adds (`summands`) and the
score of the sums (`score_of_sums`). One matrix product between the two serves
all resamples, and all models on the same items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.generic]


def aggregate_resampled(name: str, values: Rows, weights: Floats) -> Floats:
    """Compute the aggregation `name` for each resample.

    Args:
        name: a name in `tasks.aggregation.AGGREGATIONS`.
        values: see `summands`.
        weights: (resamples, items), not negative, some positive in each row.
    Returns:
        (resamples,) scores in 0..1, each equal to the plain aggregation over
        the items repeated as often as the weights say.
    Raises:
        KeyError: no such aggregation. ValueError: a resample without any item.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if not np.all(weights.sum(axis=1) > 0):
        raise ValueError("a resample without any item has no score")
    return score_of_sums(name, weights @ summands(name, values))


def summands(name: str, values: Rows) -> Floats:
    """What each item adds to the sums that `score_of_sums` reads.

    Args:
        name: a name in `tasks.aggregation.AGGREGATIONS`.
        values: (items, width): one row per scored item; width 1 for plain numbers
            (a flat array of them will do), 3 for [tp, fp, fn], 2 for
            [gold, predicted], 3 x labels for per-label counts.
    Returns:
        (items, sums); a row of zeros stands for an item left out.
    """
    rows = np.asarray(values)
    return HALVES[name].summands(rows.reshape(len(rows), -1))


def score_of_sums(name: str, sums: Floats) -> Floats:
    """The scores (...) of sums (..., sums) of the rows that `summands` gives."""
    score: Floats = HALVES[name].score(sums)
    return score


@dataclass(frozen=True)
class Halves:
    summands: Callable[[Rows], Floats]
    score: Callable[[Floats], Floats]
    further: Callable[[Floats], tuple[Floats, Floats]] | None = None
    gold: Callable[[Floats], Floats] | None = None


def one_more(name: str, sums: Floats) -> tuple[Floats, Floats] | None:
    """What one more document of each label would add, answered rightly and wrongly.

    A mean over labels rests on few documents where a label is rare: of three that all were
    missed the fourth may be found. Other aggregations are of all documents alike.

    Args:
        name: a name in `tasks.aggregation.AGGREGATIONS`.
        sums: (sums,) those of the documents there are, of rows that `summands` gives.
    Returns:
        (further documents, sums) if right and if wrong, a row for each label that has any; of
        counts also one for a document without the label. A wrong answer names each of the other
        labels in equal parts. None for an aggregation that is no mean over labels.
    """
    further = HALVES[name].further
    return further(np.asarray(sums, dtype=np.float64)) if further else None


def gold_counts(name: str, rows: Floats) -> Floats:
    """How often each row (..., sums) asks for each label: (..., labels); none without labels."""
    asks = HALVES[name].gold
    return asks(rows) if asks else np.zeros((*rows.shape[:-1], 0))


def _f1(tp: Floats, others: Floats, empty: float) -> Floats:
    """2tp / (2tp + fp + fn) with `others` = fp + fn; `empty` where all are 0."""
    total = 2 * tp + others
    return np.divide(2 * tp, total, out=np.full_like(total, empty), where=total > 0)


def _value_and_one(values: Rows) -> Floats:
    column = values[:, 0].astype(np.float64)
    return np.stack([column, np.ones_like(column)], axis=1)


def _mean(sums: Floats) -> Floats:
    mean: Floats = sums[..., 0] / sums[..., 1]
    return mean


def _counts(values: Rows) -> Floats:
    return values.astype(np.float64)


def _micro_f1(sums: Floats) -> Floats:
    return _f1(sums[..., 0], sums[..., 1] + sums[..., 2], empty=1.0)


def _tp_gold_predicted(values: Rows) -> Floats:
    """Per gold label: hits, gold, predicted. Labels never gold are left out of the mean."""
    pairs = values.astype(np.int64)
    labels = np.arange(int(pairs[:, 0].max(initial=0)) + 1)
    is_gold = (pairs[:, :1] == labels).astype(np.float64)  # (items, labels)
    is_predicted = (pairs[:, 1:] == labels).astype(np.float64)  # -1 matches none
    return np.concatenate([is_gold * is_predicted, is_gold, is_predicted], axis=1)


def _macro_f1(sums: Floats) -> Floats:
    tp, gold, predicted = np.split(sums, 3, axis=-1)
    scores = _f1(tp, gold + predicted - 2 * tp, empty=0.0)
    return _mean_over(scores, gold > 0, empty=1.0)


def _macro_f1_counts(sums: Floats) -> Floats:
    counts = sums.reshape(*sums.shape[:-1], -1, 3)
    scores = _f1(counts[..., 0], counts[..., 1] + counts[..., 2], empty=0.0)
    return _mean_over(scores, counts.sum(axis=-1) > 0, empty=1.0)


def _further_labels(sums: Floats) -> tuple[Floats, Floats]:
    """One more document of each gold label, given its label or any other."""
    gold = np.split(sums, 3)[1] > 0
    one = np.eye(len(gold))[gold]
    others = (gold & (one == 0)).astype(np.float64)
    others /= np.maximum(others.sum(axis=1, keepdims=True), 1.0)
    return np.hstack([one, one, one]), np.hstack([np.zeros_like(one), one, others])


def _further_counts(sums: Floats) -> tuple[Floats, Floats]:
    """One more document with each label, found or missed; one without it, rightly so or not."""
    counts = sums.reshape(-1, 3)
    asked, known = counts[:, 0] + counts[:, 2] > 0, counts.sum(axis=1) > 0
    cells = np.eye(sums.size).reshape(len(counts), 3, sums.size)  # label, count -> its place
    right = np.concatenate([cells[asked, 0], np.zeros((int(known.sum()), sums.size))])
    return right, np.concatenate([cells[asked, 2], cells[known, 1]])


def _gold_of_labels(rows: Floats) -> Floats:
    return np.split(rows, 3, axis=-1)[1]


def _gold_of_counts(rows: Floats) -> Floats:
    counts = rows.reshape(*rows.shape[:-1], -1, 3)
    gold: Floats = counts[..., 0] + counts[..., 2]
    return gold


def _mean_over(scores: Floats, counted: NDArray[np.bool_], empty: float) -> Floats:
    """Means over the last axis of the scores that are counted; `empty` where none is."""
    number = counted.sum(axis=-1)
    total: Floats = np.where(counted, scores, 0.0).sum(axis=-1)
    mean: Floats = np.divide(total, number, out=np.full_like(total, empty), where=number > 0)
    return mean


HALVES: dict[str, Halves] = {
    "mean_score": Halves(_value_and_one, _mean),
    "mean": Halves(_value_and_one, _mean),
    "micro_f1": Halves(_counts, _micro_f1),
    "macro_f1": Halves(_tp_gold_predicted, _macro_f1, _further_labels, _gold_of_labels),
    "macro_f1_counts": Halves(_counts, _macro_f1_counts, _further_counts, _gold_of_counts),
}
