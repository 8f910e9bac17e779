"""The aggregations of `tasks.aggregation`, for thousands of resamples at once.

A bootstrap draws items with repetition; a draw is a vector of weights saying
how often each item was taken. Every aggregation is a function of weighted sums
of counts, so one matrix product serves all resamples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def aggregate_resampled(name: str, values: NDArray[np.generic], weights: Floats) -> Floats:
    """Compute the aggregation `name` for each resample.

    Args:
        name: a name in `tasks.aggregation.AGGREGATIONS`.
        values: (items, width): one row per scored item; width 1 for plain numbers
            (a flat array of them will do), 3 for [tp, fp, fn], 2 for
            [gold, predicted], 3 x labels for per-label counts.
        weights: (resamples, items), not negative, some positive in each row.
    Returns:
        (resamples,) scores in 0..1, each equal to the plain aggregation over
        the items repeated as often as the weights say.
    Raises:
        KeyError: no such aggregation. ValueError: a resample without any item.
    """
    rows = np.asarray(values)
    rows = rows.reshape(len(rows), -1)
    weights = np.asarray(weights, dtype=np.float64)
    if not np.all(weights.sum(axis=1) > 0):
        raise ValueError("a resample without any item has no score")
    return _RESAMPLED[name](rows, weights)


def _f1(tp: Floats, others: Floats, empty: float) -> Floats:
    """2tp / (2tp + fp + fn) with `others` = fp + fn; `empty` where all are 0."""
    total = 2 * tp + others
    return np.divide(2 * tp, total, out=np.full_like(total, empty), where=total > 0)


def _mean_score(values: NDArray[np.generic], weights: Floats) -> Floats:
    column = values[:, 0].astype(np.float64)
    return np.asarray(weights @ column / weights.sum(axis=1))


def _micro_f1(values: NDArray[np.generic], weights: Floats) -> Floats:
    sums = weights @ values.astype(np.float64)
    return _f1(sums[:, 0], sums[:, 1] + sums[:, 2], empty=1.0)


def _macro_f1(values: NDArray[np.generic], weights: Floats) -> Floats:
    pairs = values.astype(np.int64)
    labels = np.arange(max(int(pairs.max()) + 1, 1))
    is_gold = (pairs[:, :1] == labels).astype(np.float64)  # (items, labels)
    is_predicted = (pairs[:, 1:] == labels).astype(np.float64)  # -1 matches none
    tp = weights @ (is_gold * is_predicted)
    gold = weights @ is_gold
    predicted = weights @ is_predicted
    scores = _f1(tp, gold + predicted - 2 * tp, empty=0.0)
    return _mean_over(scores, gold > 0, empty=1.0)


def _macro_f1_counts(values: NDArray[np.generic], weights: Floats) -> Floats:
    sums = weights @ values.astype(np.float64)
    counts = sums.reshape(len(weights), -1, 3)
    others = counts[:, :, 1] + counts[:, :, 2]
    scores = _f1(counts[:, :, 0], others, empty=0.0)
    return _mean_over(scores, counts.sum(axis=2) > 0, empty=1.0)


def _mean_over(scores: Floats, counted: NDArray[np.bool_], empty: float) -> Floats:
    """Row means of the scores that are counted; `empty` where none is."""
    number = counted.sum(axis=1)
    total: Floats = np.where(counted, scores, 0.0).sum(axis=1)
    means: Floats = np.divide(total, number, out=np.full_like(total, empty), where=number > 0)
    return means


_RESAMPLED: dict[str, Callable[[NDArray[np.generic], Floats], Floats]] = {
    "mean_score": _mean_score,
    "mean": _mean_score,
    "micro_f1": _micro_f1,
    "macro_f1": _macro_f1,
    "macro_f1_counts": _macro_f1_counts,
}
