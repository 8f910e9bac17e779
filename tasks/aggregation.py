"""How the items' values become one score.

Each item carries counts or a number; a score is always computed from the
items, never from the scores of parts. Records name an aggregation by its name
in `AGGREGATIONS`, so that a board can compute it again;
`tasks.resample.aggregate_resampled` computes the same for many resamples at once.

Every aggregation takes the values of the scored items, at least one, in any
order, and returns a float in 0..1. No items at all is a ValueError: there is no
score, and neither 0 nor 1 would be one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Counts = Sequence[int]


def f1(true_positives: int, false_positives: int, false_negatives: int) -> float:
    """F1 from counts; 1.0 if all are 0: nothing to find, and nothing was claimed.

    scikit-learn calls this choice `zero_division=1.0`.
    """
    found = 2 * true_positives
    all_counts = found + false_positives + false_negatives
    return found / all_counts if all_counts else 1.0


def mean_score(values: Sequence[float]) -> float:
    """The mean of one number per item."""
    _at_least_one(values)
    return sum(values) / len(values)


def micro_f1(values: Sequence[Counts]) -> float:
    """F1 of the summed [tp, fp, fn]; 1.0 where every item is rightly empty."""
    _at_least_one(values)
    tp, fp, fn = (sum(column) for column in zip(*values, strict=True))
    return f1(tp, fp, fn)


def macro_f1(values: Sequence[Counts]) -> float:
    """The mean F1 over the labels that occur as gold, from [gold, predicted] label indices.

    Predicted -1 (unparseable) is no label: it is a miss of the gold label and a
    false alarm of none. A label never gold has no recall and is left out;
    predicting it still costs the gold label.
    Equals scikit-learn's f1_score(average="macro", labels=sorted(set(gold))).
    """
    _at_least_one(values)
    pairs = [(int(gold), int(predicted)) for gold, predicted in values]
    scores = []
    for label in sorted({gold for gold, _ in pairs}):
        tp = sum(gold == label == predicted for gold, predicted in pairs)
        fp = sum(gold != label == predicted for gold, predicted in pairs)
        fn = sum(gold == label != predicted for gold, predicted in pairs)
        scores.append(f1(tp, fp, fn))
    return sum(scores) / len(scores)


def macro_f1_counts(values: Sequence[Counts]) -> float:
    """The mean F1 over labels, from flat counts [tp0, fp0, fn0, tp1, fp1, fn1, ...].

    A label neither gold nor predicted anywhere is left out, as scikit-learn's
    f1_score(average="macro", zero_division=nan) does; 1.0 if that leaves none.
    """
    _at_least_one(values)
    sums = [sum(column) for column in zip(*values, strict=True)]
    counts = [sums[start : start + 3] for start in range(0, len(sums), 3)]
    scores = [f1(*label_counts) for label_counts in counts if any(label_counts)]
    return sum(scores) / len(scores) if scores else 1.0


# "mean" is lm-eval's name for the same thing; records of its own tasks carry it.
AGGREGATIONS: dict[str, Callable[[Sequence[object]], float]] = {
    "mean_score": mean_score,  # type: ignore[dict-item]
    "mean": mean_score,  # type: ignore[dict-item]
    "micro_f1": micro_f1,  # type: ignore[dict-item]
    "macro_f1": macro_f1,  # type: ignore[dict-item]
    "macro_f1_counts": macro_f1_counts,  # type: ignore[dict-item]
}


# Aggregation -> how many numbers an item has; None where it depends on the task's labels.
WIDTHS: dict[str, int | None] = {
    "mean": 1,
    "mean_score": 1,
    "micro_f1": 3,
    "macro_f1": 2,
    "macro_f1_counts": None,
}


def _at_least_one(values: Sequence[object]) -> None:
    if not values:
        raise ValueError("no scored items to aggregate")
