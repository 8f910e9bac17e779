"""The tables behind a board's tables: tests, differences to the best, draws, cost."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev

from leaderboards.board import Difference, Row, Section
from leaderboards.text.grids import (
    FEW_MODELS,
    NOTHING,
    Grid,
    compared,
    difference,
    points,
    probability,
    task_name,
)

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
    if 1 < len(section.rows) <= FEW_MODELS:
        grids.append(_to_best(section))
    if any(cell and len(cell.by_draw) > 1 for row in section.rows for cell in row.cells):
        grids.append(_draws(section))
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
        if cell is not None and cell.clean is not None:
            name = task_name(column, section.columns)
            lines.append(_test_line(f"{name}, without {cell.leaked} leaked", cell.clean))
    others = {cell.difference.other for cell in row.cells if cell and cell.difference}
    header = ("task (metric)", "n", "difference", "p", "p (Holm)", "detectable", "test")
    title = f"{section.title}: {row.label} against {', '.join(sorted(others))}"
    return Grid(title, header, tuple(lines), strong)


def _test_line(name: str, found: Difference) -> tuple[str, ...]:
    return (
        name,
        str(found.n),
        difference(found),
        probability(found.p),
        probability(found.p_holm),
        points(found.detectable, unit=found.unit),
        found.test,
    )


def _to_best(section: Section) -> Grid:
    """A row per task: every model against the best of that task."""
    lines = []
    for number, column in enumerate(section.columns):
        cells = [row.cells[number] for row in section.rows]
        best = {cell.to_best.other for cell in cells if cell and cell.to_best}
        if best:
            shown = [difference(cell.to_best if cell else None) for cell in cells]
            lines.append((task_name(column, section.columns), *best, *shown))
    strong: frozenset[int] = frozenset()
    means = [row.average.to_best if row.average else None for row in section.rows]
    best = {found.other for found in means if found}
    if best:
        strong = frozenset({len(lines)})
        lines.append(("average", *best, *(difference(found) for found in means)))
    header = ("task", "best", *(row.label for row in section.rows))
    return Grid(f"{section.title}: against the best", header, tuple(lines), strong)


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


def _costs(section: Section) -> Grid:
    names = [name for name in COSTS if any(name in row.cost for row in section.rows)]
    lines = [
        (row.label, *(f"{row.cost[name]:,}" if name in row.cost else NOTHING for name in names))
        for row in section.rows
    ]
    return Grid(f"{section.title}: cost", ("model", *(COSTS[name] for name in names)), tuple(lines))
