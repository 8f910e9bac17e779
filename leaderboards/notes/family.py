"""Choosing what a board shows is a way to find stars: what is left of them over all records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.types import Record
from leaderboards.board import RecordTable, Section
from leaderboards.gather import gather, select
from leaderboards.shown import listed, probability
from leaderboards.spec import BoardSpec


def family_notes(
    records: Sequence[Record],
    spec: BoardSpec,
    sections: Sequence[Section],
    table: Callable[[RecordTable, BoardSpec], Section],
) -> Iterator[str]:
    """What p is over all that is recorded, where the board shows chosen tasks or models.

    Whoever looks at one task of twenty makes twenty comparisons.

    Args:
        table: makes a section with its statistics.
    """
    everything = replace(spec, tasks=(), models=())
    chosen, whole = select(records, spec), select(records, everything)
    parts = []
    for key in ("task", "model"):
        some, every = (len({r.manifest[key] for r in side}) for side in (chosen, whole))
        parts += [f"{some} of {every} {key}s"] if some < every else []
    if not parts:
        return
    wide = {
        (raw.setting, *place): p
        for raw in gather(whole, everything)
        for place, p in _significance(table(raw, everything)).items()
    }
    lost = []
    for section in sections:
        setting = (section.shots, section.chat, section.limit)
        for place, p in _significance(section).items():
            over_all = wide.get((setting, *place), 1.0)
            if p < 0.05 <= over_all:
                task, label, other = place[1], *place[-2:]
                lost.append(
                    f"{label} against {other} on {task} ({probability(p)} becomes "
                    f"{probability(over_all)})"
                )
    told = f"no longer significant are {listed(lost)}" if lost else "no star is lost"
    yield (
        f"Chosen from the records: {' and '.join(parts)}. p (Holm) is corrected for what is shown; "
        f"corrected for all that is recorded, {told}."
    )


def _significance(section: Section) -> dict[tuple[str, ...], float]:
    """Column, row and other row -> corrected p, of every difference of a table."""
    return {
        (
            column.suite, column.task, column.version, column.metric, repr(column.decoding),
            kind, row.label, found.other,
        ): found.p_holm
        for row in section.rows
        for column, cell in zip(section.columns, row.cells, strict=True)
        for kind in ("difference", "to_best")
        if cell is not None and (found := getattr(cell, kind)) is not None
    }  # fmt: skip
