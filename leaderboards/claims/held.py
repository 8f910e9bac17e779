"""Over how many wordings and makes a table's numbers hold, said beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from leaderboards.board import Row, Section
from leaderboards.claims.floors import FLOOR
from leaderboards.shown import listed, points, task_name

HEAVY = 0.05  # an item that moves a score by more is told
GIVEN = "adapter"  # in the place of a specializer (harness.models.adapters): made elsewhere


def held_notes(section: Section) -> Iterator[str]:
    """Sentences on wordings, makes and the weight of one item."""
    models = [row for row in section.rows if row.kind != FLOOR]
    yield from _wordings(section, models)
    yield from _makes(section, models)
    heavy = [
        f"{task_name(column, section.columns)} {points(weight)}"
        for number, column in enumerate(section.columns)
        if (weight := max((c.weight for r in models if (c := r.cells[number])), default=0.0))
        > HEAVY
    ]
    if heavy:
        yield (
            f"{section.title}: one item of a rare label can weigh up to so many points: "
            f"{listed(heavy)}."
        )


def _wordings(section: Section, rows: list[Row]) -> Iterator[str]:
    told: dict[tuple[int, ...], set[str]] = defaultdict(set)
    for row in rows:
        for column, cell in zip(section.columns, row.cells, strict=True):
            if cell is not None:
                told[cell.wordings].add(f"{row.label} on {task_name(column, section.columns)}")
    if not told:
        return
    if set(told) == {(0,)}:
        yield (
            f"{section.title}: every score is of one wording of the instruction, the task's own; "
            "what is said of a model holds for that wording (--wordings 3 asks in more)."
        )
    elif len(told) == 1:
        (wordings,) = told
        yield (
            f"{section.title}: every score is the mean over {len(wordings)} wordings "
            f"({listed([str(one) for one in wordings])}); intervals and p are of other wordings "
            "too."
        )
    else:
        usual = max(told, key=lambda wordings: (len(told[wordings]), wordings))
        others = [
            f"{where} has {listed([str(one) for one in wordings])}"
            for wordings, places in sorted(told.items())
            if wordings != usual
            for where in sorted(places)
        ]
        yield (
            f"{section.title}: scores are means over wordings {listed([str(o) for o in usual])}, "
            f"but {listed(others, 6)}; two rows are compared in the wordings that both have."
        )


def _makes(section: Section, rows: list[Row]) -> Iterator[str]:
    for row in rows:
        if not row.specializer:
            continue
        counts = sorted({len(cell.makes) for cell in row.cells if cell is not None})
        if counts == [1]:
            more = "" if row.specializer == GIVEN else " (--makes 3 makes it anew)"
            yield (
                f"{row.label}, {section.title}: made once; what is said holds for that one "
                f"artifact{more}."
            )
        elif counts:
            many = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
            yield (
                f"{row.label}, {section.title}: the mean of {many} makes; intervals and p are of "
                "other makes too."
            )
