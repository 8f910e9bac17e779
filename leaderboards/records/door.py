"""What a record must hold to be shown: numbers where numbers belong.

A record that was read has every field in its kind (`harness.doors.record`); here its
metric speaks. What is no number (NaN, null, an infinity, a text) or of another width
than the metric's is named with its file, line and item, and the record is left out: no
number of it is shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.types import UNSCORED, Record
from tasks.aggregation import WIDTHS

LARGEST = 1e100  # squares and sums of such values are numbers still
_NUMBER = f"a finite number below {LARGEST:g}"


def file_of(record: Record, name: str = "items.jsonl") -> str:
    """A record's file, for a message; of a record that is not on disk, where it would be."""
    manifest = record.manifest
    place = f"{manifest.get('model')}/{manifest.get('task')}@{manifest.get('shots')}"
    folder = str(record.folder) if record.folder else f"{place}.{manifest.get('draw')}"
    return f"{folder}/{name}"


def unfit(records: Sequence[Record], metric: str) -> dict[int, str]:
    """Which of a column's records cannot be shown: place in `records` -> what is wrong.

    The first fault of each record is named, with the number of those after it.
    """
    width = _usual_width(records, metric)
    found = {}
    for place, record in enumerate(records):
        faults = _faults(record, metric, width)
        first = next(faults, None)
        if first is not None:
            more = sum(1 for _ in faults)
            tail = f" So have {more} more." if more else ""
            found[place] = f"{first}{tail} The record is left out; run its task again."
    return found


def in_unit_range(records: Iterable[Record], metric: str) -> bool:
    """Whether every item's plain number is in 0..1."""
    return all(
        not isinstance(value, int | float) or 0 <= value <= 1
        for record in records
        for item in record.items
        if (value := item["metrics"].get(metric)) is not None
    )


def _usual_width(records: Sequence[Record], metric: str) -> int | None:
    """How many counts most items have, where the aggregation alone does not say."""
    widths: Counter[int] = Counter()
    for record in records:
        if record.manifest["metrics"].get(metric, {}).get("aggregation") == "macro_f1_counts":
            for item in record.items:
                value = item.get("metrics", {}).get(metric)
                if isinstance(value, list | tuple):
                    widths[len(value)] += 1
    return max(widths, key=lambda width: (widths[width], -width)) if widths else None


def _faults(record: Record, metric: str, usual: int | None) -> Iterator[str]:
    facts = record.manifest["metrics"].get(metric, {})
    stated = record.summary["metrics"].get(metric)
    if stated is not None and not _number(stated):
        yield (
            f"{file_of(record, 'record.json')}: summary.metrics.{metric} is {stated!r:.60}, "
            f"expected {_NUMBER}."
        )
    aggregation = str(facts.get("aggregation"))
    for line, item in enumerate(record.items, 1):
        if item["status"] not in UNSCORED and metric in item["metrics"]:
            told = _unfit_value(item["metrics"][metric], aggregation, usual)
            if told:
                where = f"{file_of(record)}:{line}: item '{item['id']}'"
                yield f"{where} has {metric} {item['metrics'][metric]!r:.60}, expected {told}."


def _unfit_value(value: Any, aggregation: str, usual: int | None) -> str:
    """What was expected in the place of a value that does not fit; "" for one that does."""
    if aggregation not in WIDTHS:
        return ""  # shown as the record states it
    width = WIDTHS[aggregation]
    if width == 1:
        return "" if _number(value) else _NUMBER
    size = width or usual or 3
    fits = isinstance(value, list | tuple) and len(value) == size and all(map(_number, value))
    if aggregation == "macro_f1":
        fits = fits and all(part == int(part) for part in value) and value[0] >= 0
        return "" if fits else "[expected label, given label] as whole numbers"
    if not fits or any(part < 0 for part in value):
        return f"{size} finite counts, 0 or more"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < LARGEST
