"""Rows that need no model, and whether a score is surely above them.

A floor is a record of a model of kind "floor": the majority label, a label by chance, an
empty answer, a copy of the input. It has no rank and is the best of nothing; the score of a
model is compared with that of the best of them, on the same items.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.types import Record
from leaderboards.board import RecordColumn

FLOOR = "floor"


def is_floor(record: Record) -> bool:
    """Whether a record needed no model."""
    return str(record.manifest["model_kind"]) == FLOOR


def floors_of(raw: RecordColumn) -> frozenset[str]:
    """The rows of a column that need no model."""
    first = {label: next(iter(ways.values())) for label, ways in raw.cells.items()}
    return frozenset(label for label, record in first.items() if is_floor(record))


def best_floor(scores: Mapping[str, float], floors: frozenset[str], sign: int) -> str:
    """The floor with the best score, the first by name of equals; "" where there is none."""
    there = sorted(floors & set(scores))
    return max(there, key=lambda label: sign * scores[label]) if there else ""
