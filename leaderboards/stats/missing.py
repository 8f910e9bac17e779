"""Answers that are missing: their share, and between which scores the model's own lies.

A failed or refused call is neither right nor wrong. Scored on the rest a model can
look better than it is: one whose calls fail on the hard items has the best mean. So
the share is told, and above a board's limit the score is shown with what it would be
if every missing answer were wrong, and if every one were right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from leaderboards.board import Average, Cell, Interval
from leaderboards.stats.resampling import Floats
from leaderboards.stats.sheet import PairedItems, Summands
from tasks.resample import score_of_sums

Entry = TypeVar("Entry", Cell, Average)
Fill = Callable[[Floats], Floats]


def lacking(entries: Mapping[str, Entry], most: float) -> dict[str, Entry]:
    """The entries, their differences naming a share of missing answers above `most`."""
    result = {}
    for label, entry in entries.items():
        changed: dict[str, Any] = {}
        for kind in ("difference", "to_best", "clean"):
            found = getattr(entry, kind, None)
            if found is not None:
                share = max(entry.missing, entries[found.other].missing)
                if share > most:
                    changed[kind] = replace(found, lacking=share)
        result[label] = replace(entry, **changed)
    return result


def missing_share(answers: Summands) -> float:
    """The share of the items asked that have no score."""
    asked = int(answers.asked.sum())
    # Not 1 - present / asked: one of fifty is 0.02, and not more.
    return (asked - int(answers.present.sum())) / asked if asked else 0.0


def bounds(sheet: PairedItems, label: str) -> Interval | None:
    """The model's score with every missing answer wrong, and with every one right.

    What an item asks for (its entities, its label) is read off another model's row;
    where no model answered it, the bounds are those of the metric. Wrong is what an
    unparseable answer is: all missed, nothing claimed. None for numbers without a
    known range.
    """
    answers = sheet.answers[label]
    lost = answers.asked & ~answers.present
    if sheet.aggregation in ("mean", "mean_score"):
        if not all(_in_range(found) for found in sheet.answers.values()):
            return None
        rows = np.ones((int(lost.sum()), 2))
    else:
        told = _told(sheet)
        if not np.all(told[1][lost]):
            return Interval(0.0, 1.0)
        rows = told[0][lost]
    wrong, right = _FILLS[sheet.aggregation]
    sums = answers.summands.sum(axis=1)  # (draws, sums)
    low, high = (
        float(score_of_sums(sheet.aggregation, sums + fill(rows).sum(axis=0)).mean())
        for fill in (wrong, right)
    )
    return Interval(low, high)


def _in_range(answers: Summands) -> bool:
    values = answers.summands[..., 0]
    return bool(np.all((values >= 0) & (values <= 1)))


def _told(sheet: PairedItems) -> tuple[Floats, Floats]:
    """(items, sums) of the first model, by name, that answered an item; and whether any did."""
    rows = np.zeros(next(iter(sheet.answers.values())).summands.shape[1:])
    known = np.zeros(len(rows), dtype=bool)
    for label in sorted(sheet.answers):
        answers = sheet.answers[label]
        new = answers.present & ~known
        rows[new] = answers.summands[0][new]
        known |= new
    return rows, known


def _zero_of_one(rows: Floats) -> Floats:
    return np.stack([np.zeros(len(rows)), np.ones(len(rows))], axis=1)


def _one_of_one(rows: Floats) -> Floats:
    return np.ones((len(rows), 2))


def _all_missed(rows: Floats) -> Floats:
    """Per label [tp, fp, fn] -> [0, 0, tp + fn]."""
    counts = rows.reshape(len(rows), -1, 3)
    gold = counts[..., 0] + counts[..., 2]
    return np.stack([np.zeros_like(gold), np.zeros_like(gold), gold], axis=-1).reshape(rows.shape)


def _all_found(rows: Floats) -> Floats:
    counts = rows.reshape(len(rows), -1, 3)
    gold = counts[..., 0] + counts[..., 2]
    return np.stack([gold, np.zeros_like(gold), np.zeros_like(gold)], axis=-1).reshape(rows.shape)


def _no_label(rows: Floats) -> Floats:
    """Hits, gold and predicted of each label -> the gold alone."""
    _, gold, _ = np.split(rows, 3, axis=-1)
    return np.concatenate([np.zeros_like(gold), gold, np.zeros_like(gold)], axis=-1)


def _its_label(rows: Floats) -> Floats:
    _, gold, _ = np.split(rows, 3, axis=-1)
    return np.concatenate([gold, gold, gold], axis=-1)


# Aggregation -> what missing rows add if wrong, and if right.
_FILLS: Mapping[str, tuple[Fill, Fill]] = {
    "mean": (_zero_of_one, _one_of_one),
    "mean_score": (_zero_of_one, _one_of_one),
    "micro_f1": (_all_missed, _all_found),
    "macro_f1_counts": (_all_missed, _all_found),
    "macro_f1": (_no_label, _its_label),
}
