"""The average over tasks, its two intervals, its rank and its differences.

"These tasks": items and draws are resampled, the tasks stay. "Tasks like
these": the tasks are resampled. There the items stay as they are, because the
spread between tasks already contains their noise; drawing them too would count
it twice (Davison & Hinkley 1997, Bootstrap Methods, 3.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from leaderboards.board import Average, Column, Difference, Interval
from leaderboards.stats.columns import ScoredColumn
from leaderboards.stats.compare import Contrast
from leaderboards.stats.resampling import Floats, bootstrap_weights, interval
from leaderboards.stats.significance import detectable, holm, normal_p, randomisation_p, rank_ranges

# Fewer tasks say too little about other tasks of their kind for an interval.
TASKS_TO_GENERALISE = 5


def averages(
    columns: Sequence[Column],
    scored: Sequence[ScoredColumn],
    others: Mapping[str, str],
    resamples: int,
) -> dict[str, Average]:
    """Averages of the rows that have every task that counts."""
    counted = [entry for column, entry in zip(columns, scored, strict=True) if column.in_average]
    if len(counted) < 2:
        return {}
    labels = [
        label
        for label in sorted(counted[0].cells)
        if all(label in entry.samples for entry in counted)
    ]
    if not labels:
        return {}
    documents = min(entry.cells[label].documents for entry in counted for label in labels)
    values = {
        label: np.array([float(entry.cells[label].score or 0.0) for entry in counted])
        for label in labels
    }
    samples = {
        label: np.mean([entry.samples[label] for entry in counted], axis=0) for label in labels
    }
    estimates = [float(values[label].mean()) for label in labels]
    ranks = rank_ranges(estimates, np.stack([samples[label] for label in labels]))
    best = labels[int(np.argmax(estimates))]
    tasks = bootstrap_weights("tasks", len(counted), 0, resamples) / len(counted)

    def beyond(per_task: Floats, low: float) -> Interval | None:
        if len(counted) < TASKS_TO_GENERALISE:
            return None
        return interval(tasks @ per_task, float(per_task.mean()), len(counted), low=low)

    result = {}
    for index, label in enumerate(labels):
        base = others.get(label, "")
        contrasts = [entry.contrasts[label] for entry in counted if label in entry.contrasts]
        difference = None
        if len(contrasts) == len(counted):
            gaps = np.array([found.value for found in contrasts])
            difference = _average_difference(base, contrasts, documents)
            difference = replace(difference, beyond=beyond(gaps, -1.0))
        to_best = None
        if label != best:
            gap = samples[label] - samples[best]
            value = float((values[label] - values[best]).mean())
            to_best = Difference(
                other=best,
                value=value,
                interval=interval(gap, value, documents * len(counted), low=-1.0),
                p=normal_p(value, gap),
                p_holm=normal_p(value, gap),
                test="bootstrap, normal",
                detectable=detectable(gap),
                n=sum(entry.cells[label].n_scored for entry in counted),
            )
        result[label] = Average(
            score=estimates[index],
            interval=interval(samples[label], estimates[index], documents * len(counted)),
            beyond=beyond(values[label], 0.0),
            rank=ranks[index],
            difference=difference,
            to_best=to_best,
        )
    return _corrected_averages(result)


def _average_difference(base: str, contrasts: Sequence[Contrast], documents: int) -> Difference:
    value = float(np.mean([found.value for found in contrasts]))
    samples = np.mean([found.samples for found in contrasts], axis=0)
    p = randomisation_p(value, np.mean([found.null for found in contrasts], axis=0))
    return Difference(
        other=base,
        value=value,
        interval=interval(samples, value, documents * len(contrasts), low=-1.0),
        p=p,
        p_holm=p,
        test="randomisation",
        detectable=detectable(samples),
        n=sum(found.n for found in contrasts),
    )


def _corrected_averages(averages: Mapping[str, Average]) -> dict[str, Average]:
    """Holm's correction over the averages' differences: to the base, and to the best."""
    result = dict(averages)
    for name in ("difference", "to_best"):
        held = {
            label: entry
            for label, average in result.items()
            if (entry := getattr(average, name)) is not None
        }
        corrected = holm([entry.p for entry in held.values()])
        for (label, entry), p in zip(held.items(), corrected, strict=True):
            result[label] = replace(result[label], **{name: replace(entry, p_holm=p)})
    return result
