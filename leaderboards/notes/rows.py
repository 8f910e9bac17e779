"""Rows without a rank, a score or an average, and why."""

from __future__ import annotations

from collections.abc import Iterator

from leaderboards.board import Row, Section
from leaderboards.shown import cautions_of_mean, listed, points, task_name


def missing_notes(section: Section, most: float) -> Iterator[str]:
    """Rows without a rank because too many answers are missing, and what they may score."""
    for row in section.rows:
        for column, cell in zip(section.columns, row.cells, strict=True):
            if cell is None:
                continue
            where = f"{row.label} on {task_name(column, section.columns)}, {section.title}"
            if cell.untested:
                items = "answered items" if cell.missing else "items"
                yield (
                    f"{where}: no score, all {cell.leaked} {items} are in what the model was made "
                    "from."
                )
            elif cell.missing > most and cell.score is not None:
                text = (
                    f"{where}: {100 * cell.missing:.1f} % of the answers are missing, more than "
                    f"{100 * most:g} %: not ranked."
                )
                if cell.bounds is not None:
                    low, high = (
                        points(end, unit=cell.unit) for end in (cell.bounds.low, cell.bounds.high)
                    )
                    text += f" With all of them wrong the score is {low}, with all right {high}."
                yield text


def average_notes(section: Section) -> Iterator[str]:
    """Rows without an average, and how all rows do on the tasks that every one has."""
    counted = [n for n, column in enumerate(section.columns) if column.in_average]
    lacking = [row for row in section.rows if row.average is None]
    if len(counted) < 2 or not lacking:
        return
    names = [task_name(column, section.columns) for column in section.columns]

    def has(row: Row, number: int) -> bool:
        cell = row.cells[number]
        return cell is not None and cell.score is not None and cell.interval is not None

    told = [
        f"{row.label} lacks {listed([names[n] for n in counted if not has(row, n)], 4)}"
        for row in lacking
    ]
    yield f"{section.title}: an average needs all {len(counted)} tasks; {listed(told, 6)}."
    common = [n for n in counted if all(has(row, n) for row in section.rows)]
    if not common or len(section.rows) < 2:
        return
    scores = []
    for row in section.rows:
        cells = [cell for n in common if (cell := row.cells[n]) is not None]
        mean = sum(cell.score or 0.0 for cell in cells) / len(cells)
        scores.append((mean, row.label, cautions_of_mean(cells)))
    scores.sort(key=lambda entry: (-entry[0], entry[1]))
    shown = listed([f"{label} {points(value)}{beside}" for value, label, beside in scores])
    yield (
        f"{section.title}: on the {len(common)} tasks that every row has "
        f"({listed([names[n] for n in common], 6)}) the means are {shown}."
    )
