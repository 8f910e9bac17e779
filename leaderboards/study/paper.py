"""The text of the study, filled in from published records: the same records, the same bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.doors.text import plain
from harness.errors import UserError
from leaderboards.board import Row
from leaderboards.pages.figures import (
    average_differences,
    difference_bar,
    gain_parts,
    sweep_curves,
)
from leaderboards.pages.plots import forest
from leaderboards.shown import points, smallest
from leaderboards.study import tables
from leaderboards.study.domains import crosses
from leaderboards.study.figures import picture
from leaderboards.study.sources import Published, Table, compared, read_published
from leaderboards.study.spec import StudySpec
from leaderboards.text.escape import code_span, escaped
from leaderboards.text.verdict import BETTER, judged, told

TEMPLATE = "paper.md"
# Fewer tasks leave too little when the two largest are taken away.
_MANY_TASKS = 5


@dataclass(frozen=True)
class Answer:
    """What one table says of the method on one base, as sentences."""

    model: str
    where: str
    sentences: tuple[str, ...]
    better_than: str
    held: bool


def study_files(spec: StudySpec) -> dict[str, str]:
    """Name -> text of every file of the study: `study.md`, and `study/*.svg` beside it.

    Raises:
        UserError: a published folder that is there and is no board.
    """
    read = {name: read_published(spec, name) for name in spec.boards}
    boards = [board for board in read.values() if board is not None]
    shown = [table for board in boards for table in board.tables]
    tested = [table for table in shown if table.rows_of(spec.method)]
    pictures: dict[str, str] = {}
    answers = [answer for table in tested for answer in _answers(table, spec.method)]
    held = {board.name: board for board in boards}
    pairs: dict[str, list[str]] = {"retrieval": [], "rounds": []}
    for compare in spec.compares:
        pairs[compare.about] += [
            f"{code_span(compare.model)} of {escaped(compare.changed)} against that of "
            f"{escaped(compare.plain)}: {told(gap)}."
            for gap in compared(compare, held)
        ]
    content: dict[str, Any] = {
        "method": code_span(spec.method),
        "absent": [escaped(name) for name, board in read.items() if board is None],
        "records": tables.records(boards),
        "models": tables.models(boards),
        "tasks": tables.tasks(boards),
        "answers": answers,
        "bases": [_base_only(table) for table in shown if not table.rows_of(spec.method)],
        "results": [_result(table, spec.method, pictures) for table in tested],
        "parts": [part for table in tested for part in _parts(table, pictures)],
        "sweeps": _sweeps(boards, pictures),
        "pairs": pairs,
        "inference": [line for table in shown for line in _prompted(table)],
        "leaks": tables.leaks(boards),
        "costs": tables.costs(boards),
        "crosses": [
            {
                "title": escaped(f"{found.base}, {found.setting}"),
                "table": tables.cross(found),
            }
            for found in crosses(shown, spec.method, spec.domain)
        ],
        "most_examples": max(
            (row.cost.get("examples", 0) for table in tested for row in table.rows_of(spec.method)),
            default=0,
        ),
        "limits": [_limit(table, spec.method) for table in tested],
    }
    return {"study.md": _filled(content), **{f"study/{n}": t for n, t in pictures.items()}}


def _filled(content: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # Markdown; every name comes escaped
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template(TEMPLATE).render(content)
    return re.sub(r"\n{3,}", "\n\n", text)  # what an empty part leaves


def _answers(table: Table, method: str) -> list[Answer]:
    """Does the method beat its base and each control? One answer for each of its models."""
    found = []
    for row in table.rows_of(method):
        gaps = [("its base", row.average.difference if row.average else None)]
        gaps += [(code_span(b), gap) for (a, b), gap in table.contrasts.items() if a == row.label]
        known = [(other, gap) for other, gap in gaps if gap is not None]
        if known:
            found.append(
                Answer(
                    model=code_span(row.label),
                    where=escaped(f"{table.board}: {table.title}"),
                    sentences=tuple(f"against {other} {told(gap)}" for other, gap in known),
                    better_than=(
                        "its base and every control here"
                        if len(known) > 1
                        else "its base (no control here)"
                    ),
                    held=all(judged(gap) == BETTER for _, gap in known),
                )
            )
    return found


def _base_only(table: Table) -> dict[str, str]:
    return {"title": escaped(table.title), "averages": tables.averages(table)}


def _result(table: Table, method: str, pictures: dict[str, str]) -> dict[str, Any]:
    key = f"{table.key}-average"
    figure = average_differences(key, table.section)
    if figure is not None:
        pictures[f"{key}.svg"] = picture(figure)
    against = ""
    if table.contrasts:
        against = f"{table.key}-controls"
        bars = [
            difference_bar(f"{first} − {second}", gap)
            for (first, second), gap in table.contrasts.items()
        ]
        title = "The method against each control, on average"
        described = (
            "Points of 100; the 95% intervals hold for all pairs at once, filled where significant."
        )
        pictures[f"{against}.svg"] = picture(forest(against, title, described, bars))
    return {
        "title": escaped(table.title),
        "averages": tables.averages(table),
        "averages_plot": f"study/{key}.svg" if figure is not None else "",
        "versus": tables.versus(table),
        "versus_plot": f"study/{against}.svg" if against else "",
        "by_task": tables.by_task(table),
        "rest": [line for row in table.rows_of(method) if (line := _without_two(table, row))],
    }


def _without_two(table: Table, row: Row) -> str:
    """The average gain without the two tasks that gain most; they were chosen by the result."""
    gains = sorted(
        (
            (cell.difference.value, column.task)
            for column, cell in zip(table.section.columns, row.cells, strict=True)
            if column.in_average and cell is not None and cell.difference is not None
        ),
        reverse=True,
    )
    if len(gains) < _MANY_TASKS:
        return ""
    most = " and ".join(
        f"{code_span(task)} ({points(gain, sign=True)})" for gain, task in gains[:2]
    )
    mean = sum(gain for gain, _ in gains[2:]) / len(gains[2:])
    whole = sum(gain for gain, _ in gains) / len(gains)
    return (
        f"{code_span(row.label)} gains most on {most}. Without these two its average difference is "
        f"{points(mean, sign=True)} instead of {points(whole, sign=True)}."
    )


def _parts(table: Table, pictures: dict[str, str]) -> list[dict[str, str]]:
    found = []
    for number, row in enumerate(row for row in table.section.rows if row.parts):
        key = f"{table.key}-parts-{number}"
        figure = gain_parts(key, row)
        assert figure is not None  # it has parts
        pictures[f"{key}.svg"] = picture(figure)
        found.append(
            {
                "title": f"{escaped(row.label)}, {escaped(table.title)}",
                "table": tables.parts(row),
                "plot": f"study/{key}.svg",
            }
        )
    return found


def _sweeps(
    boards: Sequence[Published], pictures: dict[str, str]
) -> dict[str, list[dict[str, str]]]:
    """The sweeps beside the boards, by what they varied."""
    found: dict[str, list[dict[str, str]]] = {
        name: [] for name in ("examples", "passages", "rounds", "others")
    }
    for board in boards:
        for number, (sweep, section) in enumerate(board.sweeps):
            key = f"{board.name}-sweep-{number}"
            try:
                figure, table = sweep_curves(key, sweep), tables.sweep(section)
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
                raise UserError(
                    f"{plain(board.folder / 'sweeps')}: not a sweep's result "
                    f"({type(error).__name__}: {plain(error):.200}). Delete it, or run "
                    "'bench sweep' again."
                ) from error
            if figure is not None:
                pictures[f"{key}.svg"] = picture(figure)
            found[sweep.parameter if sweep.parameter in found else "others"].append(
                {
                    "title": f"{escaped(sweep.model)} by {escaped(sweep.parameter)}, "
                    f"{sweep.shots}-shot",
                    "table": table,
                    "plot": f"study/{key}.svg" if figure is not None else "",
                }
            )
    return found


def _prompted(table: Table) -> list[str]:
    """Models that only rewrite prompts, against their base: retrieval at inference."""
    return [
        f"{code_span(row.label)} on {escaped(table.title)}: {told(row.average.difference)}."
        for row in table.rows_of("rag")
        if row.average and row.average.difference
    ]


def _limit(table: Table, method: str) -> str:
    """How little a table could have missed, and on how many items."""
    asked = sorted({cell.n for row in table.section.rows for cell in row.cells if cell is not None})
    span = f"{asked[0]:d}" if asked[0] == asked[-1] else f"{asked[0]:d} to {asked[-1]:d}"
    missed = [
        f"{smallest(gap.detectable)} points for {code_span(row.label)}"
        for row in table.rows_of(method)
        if row.average and (gap := row.average.difference) and gap.detectable
    ]
    told_missed = (
        f"; the smallest average difference found in 80 % of cases is {', '.join(missed)}"
        if missed
        else ""
    )
    return f"{escaped(table.title)}: {span} items a task{told_missed}."
