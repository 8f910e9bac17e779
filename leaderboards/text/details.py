"""The tables behind a board's tables: tests, differences to the best, draws, cost."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

from leaderboards.board import Average, Cell, Difference, Row, Section
from leaderboards.shown import NOTHING, limits, places, points, probability, smallest, task_name
from leaderboards.text.grids import FEW_MODELS, Grid, compared, difference, score
from leaderboards.text.marks import marks, row_name

INTERVALS_ABREAST = 3  # tasks whose scores stand beside their ranks

# What a row's cost counts, in the order shown.
COSTS = {
    "generated_tokens": "tokens generated",
    "specialising_tokens": "tokens of own examples",
    "examples": "training examples",
    "training_tokens": "training tokens",
    "trained_parameters": "trained parameters",
}


def detail_grids(section: Section) -> list[Grid]:
    """What Markdown shows beneath a section's own tables."""
    grids = [_tests(section, row) for row in section.rows if compared(row)]
    if len(section.rows) > FEW_MODELS:
        grids += _intervals(section)
    elif len(section.rows) > 1:
        grids += [_to_best(section), _ranks(section)]
    if any(cell and len(cell.by_draw) > 1 for row in section.rows for cell in row.cells):
        grids.append(_draws(section))
    for what in ("wording", "make"):
        if any(len(_levels(cell, what)) > 1 for row in section.rows for cell in row.cells):
            grids.append(_by_level(section, what))
    if section.bits:
        grids.append(_bits(section))
    if section.readings:
        grids.append(_readings(section))
    if section.signals:
        grids.append(_signals(section))
    return [*grids, _costs(section)]


def draw_spread(by_draw: Sequence[float]) -> float | None:
    """Standard deviation of a score over draws of demonstrations; None for a single draw."""
    return stdev(by_draw) if len(by_draw) > 1 else None


def _tests(section: Section, row: Row) -> Grid:
    lines = []
    for column, cell in zip(section.columns, row.cells, strict=True):
        if cell is not None and cell.difference is not None:
            name = task_name(column, section.columns)
            lines.append(_test_line(f"{name} ({column.metric})", cell.difference))
    strong: frozenset[int] = frozenset()
    if row.average is not None and row.average.difference is not None:
        strong = frozenset({len(lines)})
        lines.append(_test_line("average", row.average.difference))
    for column, cell in zip(section.columns, row.cells, strict=True):
        if cell is not None and cell.clean is not None and (gap := cell.difference) is not None:
            name = task_name(column, section.columns)
            lines.append(_test_line(f"{name}, without {gap.leaks} leaked", cell.clean))
    others = {cell.difference.other for cell in row.cells if cell and cell.difference}
    header = ("task (metric)", "n", "difference", "alone", "p", "p (Holm)", "detectable", "test")
    title = f"{section.title}: {row.label} against {', '.join(sorted(others))}"
    return Grid(title, header, tuple(lines), strong)


def _test_line(name: str, found: Difference) -> tuple[str, ...]:
    return (
        name,
        str(found.n),
        difference(found),
        limits(found.interval, sign=True, unit=found.unit),
        probability(found.p),
        probability(found.p_holm),
        smallest(found.detectable, found.unit),
        found.test,
    )


def _to_best(section: Section) -> Grid:
    """A row per task: every model against the best of that task; several where they tie."""
    lines = []
    for number, column in enumerate(section.columns):
        cells = [row.cells[number] for row in section.rows]
        best = _best(section, cells)
        if best:
            shown = [difference(cell.to_best if cell else None) for cell in cells]
            lines.append((task_name(column, section.columns), best, *shown))
    strong: frozenset[int] = frozenset()
    means = [row.average for row in section.rows]
    best = _best(section, means)
    if best:
        strong = frozenset({len(lines)})
        gaps = (difference(average.to_best if average else None) for average in means)
        lines.append(("average", best, *gaps))
    header = ("task", "best", *(row_name(row) for row in section.rows))
    return Grid(f"{section.title}: against the best", header, tuple(lines), strong)


def _best(section: Section, entries: Sequence[Cell | Average | None]) -> str:
    """The rows that no ranked row is better than; "" where nothing is ranked."""
    names = [
        row.label
        for row, entry in zip(section.rows, entries, strict=True)
        if entry is not None and entry.best
    ]
    ranked = sum(entry is not None and entry.rank is not None for entry in entries)
    tied = f"{' = '.join(names)}" if len(names) < ranked else f"all {ranked} equal"
    return names[0] if len(names) == 1 else tied if names else ""


def _ranks(section: Section) -> Grid:
    """A row per task: the places each model may hold."""
    lines = [
        (
            task_name(column, section.columns),
            *(places(cell.rank if (cell := row.cells[number]) else None) for row in section.rows),
        )
        for number, column in enumerate(section.columns)
        if any((cell := row.cells[number]) and cell.rank for row in section.rows)
    ]
    header = ("task", *(row_name(row) for row in section.rows))
    return Grid(f"{section.title}: ranks", header, tuple(lines))


def _intervals(section: Section) -> list[Grid]:
    """Every score of many models with its interval and rank, some tasks at once."""
    grids = []
    for start in range(0, len(section.columns), INTERVALS_ABREAST):
        numbers = range(start, min(start + INTERVALS_ABREAST, len(section.columns)))
        lines = []
        for row in section.rows:
            line = [row_name(row)]
            for number in numbers:
                cell = row.cells[number]
                line += [score(cell), places(cell.rank if cell else None)]
            lines.append(tuple(line))
        names = [task_name(section.columns[number], section.columns) for number in numbers]
        header = ("model", *(part for name in names for part in (name, "rank")))
        title = f"{section.title}: scores and ranks, tasks {numbers[0] + 1} to {numbers[-1] + 1}"
        grids.append(Grid(title, header, tuple(lines)))
    return grids


def _draws(section: Section) -> Grid:
    """How far each score moves with the choice of demonstrations."""
    lines = []
    for row in section.rows:
        for column, cell in zip(section.columns, row.cells, strict=True):
            if cell is not None and len(cell.by_draw) > 1:
                lines.append(
                    (
                        row.label,
                        task_name(column, section.columns),
                        str(len(cell.by_draw)),
                        points(min(cell.by_draw), unit=cell.unit),
                        points(max(cell.by_draw), unit=cell.unit),
                        points(draw_spread(cell.by_draw), unit=cell.unit),
                    )
                )
    header = ("model", "task", "draws", "lowest", "highest", "standard deviation")
    return Grid(f"{section.title}: other demonstrations", header, tuple(lines))


def _levels(cell: Cell | None, what: str) -> tuple[float, ...]:
    found: tuple[float, ...] = getattr(cell, f"by_{what}") if cell is not None else ()
    return found


def _by_level(section: Section, what: str) -> Grid:
    """Each score in each wording, or of each make."""
    lines = []
    for row in section.rows:
        for column, cell in zip(section.columns, row.cells, strict=True):
            values = _levels(cell, what)
            if cell is not None and len(values) > 1:
                names = getattr(cell, f"{what}s")
                each = [
                    f"{name}: {points(value, unit=cell.unit)}"
                    for name, value in zip(names, values, strict=True)
                ]
                sd = points(stdev(values), unit=cell.unit)
                task = task_name(column, section.columns)
                lines.append((row.label, task, ", ".join(each), sd))
    header = ("model", "task", f"each {what}", "standard deviation")
    return Grid(f"{section.title}: each {what}", header, tuple(lines))


def _bits(section: Section) -> Grid:
    """Bits per byte of the gold answers, a row per task; differences in ( )."""
    lines = []
    for number, column in enumerate(section.bits):
        shown = []
        for row in section.rows:
            cell = row.bits[number]
            text = score(cell)
            if cell is not None and cell.difference is not None:
                text += f" ({difference(cell.difference)})"
            shown.append(text)
        lines.append((task_name(column, section.bits), *shown))
    header = ("task", *(row_name(row) for row in section.rows))
    title = f"{section.title}: bits per byte of the gold answer, lower is better"
    return Grid(title, header, tuple(lines))


def _readings(section: Section) -> Grid:
    """How answers read: what was cut, refused or copied, and the score read otherwise."""
    lines = []
    for one in section.readings:
        (row,) = (row for row in section.rows if row.label == one.label)
        cell = row.cells[one.column]
        unit = section.columns[one.column].unit
        lines.append(
            (
                one.label,
                task_name(section.columns[one.column], section.columns),
                *(
                    f"{100 * count / one.items:.0f} %" if one.items else NOTHING
                    for count in (one.length, cell.n_unparseable if cell else 0, one.refused)
                ),
                f"{100 * one.copied / one.items:.0f} %" if one.items else NOTHING,
                points(one.strict, unit=unit),
                f"{points(cell.score, unit=unit)}{marks(cell)}" if cell else NOTHING,
                points(one.lenient, unit=unit),
            )
        )
    header = ("model", "task", "cut by length", "unparseable", "refused", "copied the example",
              "strict", "score", "lenient")  # fmt: skip
    return Grid(f"{section.title}: how the answers read", header, tuple(lines))


def _signals(section: Section) -> Grid:
    """How far each task tells its models apart."""
    lines = [
        (
            task_name(section.columns[one.column], section.columns),
            points(one.signal, unit=one.unit),
            points(one.noise, unit=one.unit),
            NOTHING if one.ratio is None else f"{one.ratio:.1f}",
            one.of,
            "yes" if one.tells else "no",
        )
        for one in section.signals
    ]
    header = ("task", "between models", "noise", "signal to noise", "noise of", "tells apart")
    return Grid(f"{section.title}: signal and noise", header, tuple(lines))


def _costs(section: Section) -> Grid:
    names = [name for name in COSTS if any(name in row.cost for row in section.rows)]
    lines = [
        (row_name(row), *(_cost(row, name, section) for name in names)) for row in section.rows
    ]
    return Grid(f"{section.title}: cost", ("model", *(COSTS[name] for name in names)), tuple(lines))


def _cost(row: Row, name: str, section: Section) -> str:
    if name not in row.cost:
        return NOTHING
    asked, columns = sum(cell is not None for cell in row.cells), len(section.columns)
    fewer = name == "generated_tokens" and asked < columns
    told = f" ({asked}/{columns} columns)" if fewer else ""
    return f"{row.cost[name]:,}{told}"
