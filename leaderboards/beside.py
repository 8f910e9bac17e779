"""What stands beside a table's scores: bits per byte of the gold answers, and how answers read.

Bits per byte are a second group of columns with intervals, differences and a correction of
their own: a small model of whose answers nothing parses still tells there what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from leaderboards.board import Cell, Column, Reading, RecordColumn, RecordTable
from leaderboards.spec import BoardSpec
from leaderboards.stats.columns import corrected, score_column
from leaderboards.stats.opened import open_column

BITS = "gold_bpb"
_READINGS = ("lenient", "strict")


def bits_of(
    raw: RecordTable, others: Mapping[str, str], spec: BoardSpec
) -> tuple[tuple[Column, ...], list[dict[str, Cell]]]:
    """The columns of bits per byte, and each one's cells; none where no record has them."""
    columns = [found for column in raw.columns if (found := _as_bits(column)) is not None]
    opened = [open_column(column, spec.missing) for column in columns]
    scored = [score_column(column, others, spec.resamples).without_samples() for column in opened]
    return tuple(column.column for column in columns), corrected(scored)


def _as_bits(raw: RecordColumn) -> RecordColumn | None:
    """The same records by that metric; rows in which one lacks it are left out."""
    cells = {
        label: ways
        for label, ways in raw.cells.items()
        if all(BITS in record.manifest["metrics"] for record in ways.values())
    }
    if not cells:
        return None
    column = replace(
        raw.column,
        metric=BITS,
        higher_is_better=False,
        in_average=False,
        unit="number",
    )
    return RecordColumn(column, cells)


def readings_of(raw: RecordTable) -> tuple[Reading, ...]:
    """How the answers of each row on each task read, where there is anything to tell."""
    found = []
    for number, column in enumerate(raw.columns):
        for label, ways in column.cells.items():
            summaries = [record.summary for record in ways.values()]
            values = {
                name: _mean([s["metrics"].get(f"{column.column.metric}_{name}") for s in summaries])
                for name in _READINGS
            }
            counts = {
                name: sum(int(s.get(f"n_{name}", 0)) for s in summaries)
                for name in ("length", "refused", "copied")
            }
            if any(counts.values()) or any(value is not None for value in values.values()):
                items = sum(int(s["n"]) for s in summaries)
                cut, refused, copied = counts.values()
                read = [values[name] for name in _READINGS]
                found.append(Reading(label, number, items, cut, refused, copied, *read))
    return tuple(found)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
