"""What a board showed and what it could not show, in a few sentences: the last lines of a run.

A newcomer reads these and no table. So a method that lost is said to have lost, a difference that
was not shown is not called none, and the number of items is named as the limit it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from leaderboards.board import Board, Difference, Row, Section
from leaderboards.shown import limits, points
from leaderboards.text.marks import leak_mark
from leaderboards.text.verdict import BETTER, WORSE, judged

FEW = 100  # items a task below which no single task tells two models apart but by a wide gap


def closing(board: Board) -> list[str]:
    """Sentences, one a line; none where no model is compared with its base."""
    shown: list[str] = []
    limit: list[str] = []
    for section in board.sections:
        for row in section.rows:
            shown += _shown(section, row, named=len(board.sections) > 1)
        limit += _limit(section, named=len(board.sections) > 1)
    if not shown:
        return []
    return [
        "What this shows:",
        *(f"  {line}" for line in dict.fromkeys(shown)),
        "What it cannot show:",
        *(f"  {line}" for line in limit),
    ]


def _shown(section: Section, row: Row, *, named: bool) -> Iterator[str]:
    compared = [
        (column.task, cell.difference)
        for column, cell in zip(section.columns, row.cells, strict=True)
        if cell and cell.difference
    ]
    if not compared:
        return
    better = [task for task, gap in compared if judged(gap) == BETTER]
    worse = [task for task, gap in compared if judged(gap) == WORSE]
    average = row.average.difference if row.average else None
    line = f"{row.label} against {compared[0][1].other}"
    line += f" ({section.title}): " if named else ": "
    if average:
        line += f"average {_told(average)}; "
    line += f"of {len(compared)} tasks " if len(compared) > 1 else "its one task "
    line += f"surely better on {_tasks(better)}, surely worse on {_tasks(worse)}."
    yield line
    mean = judged(average) if average else ""
    if mean == WORSE or (worse and mean != BETTER):
        yield f"As it was made here, {row.label} is no improvement on its base."
    elif mean != BETTER and not better:
        yield f"No gain of {row.label} is shown here, and no harm: more items may show either."


def _limit(section: Section, *, named: bool) -> Iterator[str]:
    gaps = [row.average.difference for row in section.rows if row.average]
    means = [gap.detectable for gap in gaps if gap and gap.detectable]
    cells = [cell for row in section.rows for cell in row.cells if cell and cell.difference]
    if not cells:
        return
    counts = sorted({cell.difference.n for cell in cells if cell.difference})
    items = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    line = f"{section.title}: with " if named else "With "
    line += f"{items} items a task"
    if means:
        line += f", a true difference of the average below {points(min(1, max(means)))} points"
    single = [
        cell.difference.detectable
        for cell in cells
        if cell.difference and cell.difference.detectable and cell.unit == "share"
    ]
    if single:
        line += " or" if means else ", one"
        line += f" of a single task below {points(min(1, *single))}"
    line += " would mostly stay unseen" if means or single else " nothing small can be seen"
    yield line + ("; so few rank no models." if counts[-1] < FEW else ".")


def _told(found: Difference) -> str:
    gap = points(found.value, sign=True, unit=found.unit) + leak_mark(found)
    return f"{gap} {limits(found.simultaneous, sign=True, unit=found.unit)}, {judged(found)}"


def _tasks(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if names else "none"
