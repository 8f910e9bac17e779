"""A board as tables of text, the same for terminal and Markdown.

Few models: a row per task, a column per model, so that it fits a terminal.
Many models: a row per model, tasks in columns, as many at once as fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.board import (
    Average,
    Board,
    Cell,
    Column,
    Difference,
    GroupScore,
    Row,
    Section,
)
from leaderboards.shown import NOTHING, limits, places, points, smallest, task_name
from leaderboards.text.marks import (
    explained,
    gap_marks,
    marks,
    pair_draws,
    row_name,
)

FEW_MODELS = 4  # models side by side in 100 columns
TASKS_ABREAST = 6  # task columns beside a model's name in 100 columns


@dataclass(frozen=True)
class Grid:
    """A table: header, rows, which rows stand out, and before which a rule is drawn.

    The first column is flush left, the others right.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()
    rules: frozenset[int] = frozenset()


def score(cell: Cell | Average | None) -> str:
    """Score, marks and interval; of a row without a rank, for what is missing, its bounds."""
    if cell is None:
        return NOTHING
    shown = f"{points(cell.score, unit=cell.unit)}{marks(cell)}"
    if cell.missing and cell.rank is None and cell.bounds is not None and cell.score is not None:
        low, high = (points(end, unit=cell.unit) for end in (cell.bounds.low, cell.bounds.high))
        return f"{shown} ({low} to {high})"
    return f"{shown} {limits(cell.interval, unit=cell.unit)}".strip()


def difference(found: Difference | None) -> str:
    """Difference, marks and the interval that holds for all of the table's comparisons."""
    if found is None:
        return NOTHING
    gap = f"{points(found.value, sign=True, unit=found.unit)}{gap_marks(found)}"
    span = limits(found.simultaneous, sign=True, unit=found.unit)
    return f"{gap} {span}{pair_draws(found)}"


def section_grids(section: Section) -> list[Grid]:
    """The tables of a section; `leaderboards.text.details` has those behind them."""
    few = len(section.rows) <= FEW_MODELS
    grids = [_by_task(section)] if few else [_overview(section), *_matrices(section)]
    return grids + _parts(section)


def group_grids(board: Board) -> list[Grid]:
    """Groups' own scores, a row a group and metric, a column a model."""
    grids = []
    for asked in dict.fromkeys(one.asked for one in board.groups):
        own = [one for one in board.groups if one.asked == asked]
        labels = sorted({one.label for one in own})
        lines = []
        for key in dict.fromkeys((one.alias, one.metric, one.weighted) for one in own):
            held = {o.label: o for o in own if (o.alias, o.metric, o.weighted) == key}
            first = next(iter(held.values()))
            weight = "by size" if first.weighted else "alike"
            cells = [_group_cell(held.get(label)) for label in labels]
            counts = (str(first.tasks), str(first.n), weight)
            lines.append((f"{first.alias} ({first.metric})", *counts, *cells))
        header = ("group (metric)", "tasks", "n", "tasks count", *labels)
        grids.append(Grid(f"{asked}: groups, as lm-eval averages them", header, tuple(lines)))
    return grids


def _group_cell(found: GroupScore | None) -> str:
    if found is None:
        return NOTHING
    span = limits(found.interval, unit=found.unit)
    return f"{points(found.score, unit=found.unit)}{marks(found)} {span}".strip()


def legend(board: Board) -> list[str]:
    """What the marks mean, in sentences."""
    rows = [row for section in board.sections for row in section.rows]
    lines = [
        "Scores are in points of 100; [ ] is the 95% interval from resampling documents"
        f" ({board.resamples} resamples)."
    ]
    own = {
        f"{column.task} ({column.metric})": None
        for section in board.sections
        for column in section.columns
        if column.unit != "share"
    }
    if own:
        lines.append(f"In their own units, and in no average: {', '.join(own)}.")
    lines += explained(board)
    if any(compared(row) for row in rows):
        lines.append(
            "Detectable: the smallest true difference found in 80% of cases with this many"
            " documents; what is smaller may be there unseen."
        )
    averages = [row.average for row in rows if row.average]
    if averages:
        lines.append(
            "Average: unweighted over the tasks; those with ranked labels ask"
            " the same questions again and do not count."
        )
    if any(average.beyond for average in averages):
        lines.append("Tasks like these: the average's interval when the tasks are resampled too.")
    if any(row.parts for row in rows):
        lines.append(
            "Knowledge: gain where labels are ranked and no format can help. Format: the rest."
        )
    if any(row.missing and row.unparseable is not None for row in rows):
        lines.append("(2/10 tasks), (2/10 columns): of these alone, not of all.")
    return lines


def compared(row: Row) -> bool:
    """Whether a row has a difference to a base anywhere."""
    return any(cell and cell.difference for cell in row.cells)


def share_of_tasks(row: Row, columns: Sequence[Column]) -> str:
    """ " (2/10 tasks)" beside a number that is of fewer tasks than the table's; else ""."""
    counted = sum(column.in_average for column in columns)
    return f" ({counted - len(row.missing)}/{counted} tasks)" if row.missing else ""


def _n(cells: Sequence[Cell | None]) -> str:
    numbers = sorted({cell.n_scored for cell in cells if cell is not None})
    if not numbers:
        return NOTHING
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def _by_task(section: Section) -> Grid:
    rows = section.rows
    special = [row for row in rows if compared(row)]
    header = ["task", "n", *(row_name(row) for row in rows)]
    header += ["difference" if len(special) == 1 else f"{row_name(row)} − base" for row in special]
    lines: list[list[str]] = []
    strong: set[int] = set()
    rules: set[int] = set()

    def task_lines(columns: Sequence[int]) -> None:
        for number in columns:
            cells = [row.cells[number] for row in rows]
            line = [task_name(section.columns[number], section.columns), _n(cells)]
            line += [score(cell) for cell in cells]
            for row in special:
                cell = row.cells[number]
                line.append(difference(cell.difference if cell else None))
            lines.append(line)

    counted = [n for n, column in enumerate(section.columns) if column.in_average]
    task_lines(counted)
    averages = [row.average for row in rows]
    if any(averages):
        strong.add(len(lines))
        rules.add(len(lines))
        gaps = [row.average.difference if row.average else None for row in special]
        lines.append(_average_line(averages, gaps))
        if any(average and average.beyond for average in averages):
            lines.append(_beyond_line(averages, gaps))
        if any(average and average.rank for average in averages):
            ranks = [places(average.rank) if average else NOTHING for average in averages]
            lines.append(["  rank", "", *ranks, *[""] * len(special)])
        if any(gap and gap.detectable for gap in gaps):
            found = [smallest(gap.detectable) if gap else "" for gap in gaps]
            lines.append(["  detectable", "", *[""] * len(rows), *found])
    rules.add(len(lines))
    task_lines([n for n in range(len(section.columns)) if n not in counted])
    rules.add(len(lines))
    if any(row.unparseable is not None for row in rows):
        shares = [
            f"{points(row.unparseable)}{share_of_tasks(row, section.columns)}" for row in rows
        ]
        lines.append(["unparseable, %", "", *shares, *[""] * len(special)])
    body = tuple(map(tuple, lines))
    return Grid(section.title, tuple(header), body, frozenset(strong), frozenset(rules))


def _average_line(
    averages: Sequence[Average | None], gaps: Sequence[Difference | None]
) -> list[str]:
    line = ["average", ""]
    return [*line, *map(score, averages), *map(difference, gaps)]


def _beyond_line(
    averages: Sequence[Average | None], gaps: Sequence[Difference | None]
) -> list[str]:
    line = ["  tasks like these", ""]
    line += [limits(average.beyond) if average else "" for average in averages]
    return line + [limits(gap.beyond, sign=True) if gap else "" for gap in gaps]


def _overview(section: Section) -> Grid:
    lines = []
    counted = sum(column.in_average for column in section.columns)
    for row in section.rows:
        average = row.average
        have = counted - len(row.missing)
        lines.append(
            (
                row_name(row),
                places(average.rank if average else None),
                score(average),
                difference(average.difference if average else None),
                f"{points(row.unparseable)}{share_of_tasks(row, section.columns)}",
                f"{have}/{counted}",
            )
        )
    header = ("model", "rank", "average", "difference to base", "unparseable, %", "tasks")
    return Grid(section.title, header, tuple(lines))


def _matrices(section: Section) -> list[Grid]:
    grids = []
    for start in range(0, len(section.columns), TASKS_ABREAST):
        numbers = range(start, min(start + TASKS_ABREAST, len(section.columns)))
        lines = []
        for row in section.rows:
            line = [row_name(row)]
            for number in numbers:
                cell = row.cells[number]
                beside = marks(cell)
                shown = f"{points(cell.score, unit=cell.unit)}{beside}" if cell else NOTHING
                if cell and cell.difference:
                    shown += gap_marks(cell.difference, beside)
                line.append(shown)
            lines.append(tuple(line))
        names = [task_name(section.columns[number], section.columns) for number in numbers]
        title = f"{section.title}: tasks {numbers[0] + 1} to {numbers[-1] + 1}"
        grids.append(Grid(title, ("model", *names), tuple(lines)))
    return grids


def _parts(section: Section) -> list[Grid]:
    """What each row gained on its base, in format and in knowledge.

    Where there are bits per byte of the gold answer they stand beside, and tasks follow that they
    alone split: what they tell, no format helps in either.
    """
    grids = []
    for row in section.rows:
        if not row.parts:
            continue
        known = {
            column.task: difference(cell.difference)
            for column, cell in zip(section.bits, row.bits, strict=True)
            if cell is not None and cell.difference is not None
        }
        lines = []
        for part in row.parts:
            spans = (
                (part.gain, part.gain_interval),
                (part.format, part.format_interval),
                (part.knowledge, part.knowledge_interval),
            )
            told = [f"{points(v, sign=True)} {limits(i, sign=True)}" for v, i in spans]
            lines.append([part.task, str(part.n), *told])
        split = {part.task for part in row.parts}
        for column, cell in zip(section.columns, row.cells, strict=True):
            gap = cell.difference if cell is not None else None
            if gap and column.in_average and column.task in known and column.task not in split:
                lines.append([column.task, str(gap.n), difference(gap), NOTHING, NOTHING])
        header = ["task", "n", "gain", "= format", "+ knowledge"]
        if known:
            header.append("bits per byte")
            lines = [[*line, known.get(line[0], NOTHING)] for line in lines]
        title = f"{section.title}: what {row.label} gained"
        grids.append(Grid(title, tuple(header), tuple(map(tuple, lines))))
    return grids
