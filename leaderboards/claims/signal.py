"""Whether a task tells its models apart: the spread between them against what is chance.

Signal is the standard deviation of the models' scores; noise what one model's score moves by
with other wordings and other makes, or, where all scores are of one wording and one make, with
other items.
Source: Heineman et al. 2025, Signal and Noise (arXiv 2508.13144), with wordings and makes in
    the place of checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from leaderboards.board import Cell, Column, Row, Section, Signal
from leaderboards.claims.floors import FLOOR
from leaderboards.shown import cautions_of_mean, listed, points, task_name

TELLS = 2.0  # by judgement: chance alone gives a ratio of 1
_HALF = 1.96  # standard errors in half an interval


def signals(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[Signal, ...]:
    """One of each column that two or more models have."""
    models = [row for row in rows if row.kind != FLOOR]
    found = []
    for number, column in enumerate(columns):
        cells = [cell for row in models if (cell := row.cells[number]) and cell.score is not None]
        if len(cells) > 1 and (one := _signal(number, column, cells)):
            found.append(one)
    return tuple(found)


def _signal(number: int, column: Column, cells: Sequence[Cell]) -> Signal | None:
    spreads = [
        stdev(values)
        for cell in cells
        for values in (cell.by_wording, cell.by_make)
        if len(values) > 1
    ]
    of = "wordings and makes"
    if not spreads:
        spans = [cell.interval for cell in cells if cell.interval is not None]
        spreads, of = [(span.high - span.low) / 2 / _HALF for span in spans], "items"
    if not spreads:
        return None
    signal = stdev(float(cell.score or 0.0) for cell in cells)
    noise = fmean(value**2 for value in spreads) ** 0.5
    ratio = signal / noise if noise else None
    tells = ratio is None or ratio >= TELLS
    return Signal(number, signal, noise, ratio, of, tells and signal > 0, column.unit)


def signal_notes(section: Section) -> Iterator[str]:
    """Tasks that cannot tell the models apart, and the averages without them."""
    counted = [n for n, column in enumerate(section.columns) if column.in_average]
    silent = {one.column for one in section.signals if not one.tells}
    kept = [n for n in counted if n not in silent]
    dull = [task_name(section.columns[n], section.columns) for n in counted if n in silent]
    if not dull:
        return
    line = (
        f"{section.title}: {len(dull)} of {len(counted)} tasks cannot tell these models apart "
        f"(signal below {TELLS:g} times the noise): {listed(dull, 6)}."
    )
    means = []
    for row in section.rows:
        cells = [cell for n in kept if (cell := row.cells[n]) is not None]
        if cells and row.average is not None:
            value = fmean(cell.score or 0.0 for cell in cells)
            means.append((-value, row.label, row.average.score, cautions_of_mean(cells)))
    if means:
        shown = [
            f"{label} {points(-value)}{told} (of all {points(whole)})"
            for value, label, whole, told in sorted(means)
        ]
        line += f" Without them the averages are {listed(shown)}."
    yield line
