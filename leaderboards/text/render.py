"""A board on the terminal and in files, byte for byte the same from the same records."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.doors.text import plain
from harness.files import write_text
from leaderboards.board import Board, Difference, as_json
from leaderboards.text.closing import closing
from leaderboards.text.details import COSTS, detail_grids, draw_spread
from leaderboards.text.escape import escaped, plain_cell
from leaderboards.text.grids import Grid, group_grids, legend, section_grids
from leaderboards.text.latex import render_latex

_CSV = (
    "shots",
    "chat",
    "limit",
    "task",
    "version",
    "metric",
    "model",
    "base",
    "score",
    "low",
    "high",
    "n",
    "n_scored",
    "n_unparseable",
    "n_error",
    "complete",
    "draws",
    "draw_low",
    "draw_high",
    "draw_sd",
    "documents",
    "best_rank",
    "worst_rank",
    "compared_with",
    "difference",
    "difference_low",
    "difference_high",
    "difference_simultaneous_low",
    "difference_simultaneous_high",
    "p",
    "p_holm",
    "test",
    "detectable",
    "n_paired",
    "paired_draws",
    "unlike",
    "lacking",
    "paired_leaked",
    "clean_difference",
    "clean_p_holm",
    "best",
    "to_best",
    "to_best_low",
    "to_best_high",
    "to_best_simultaneous_low",
    "to_best_simultaneous_high",
    "to_best_p_holm",
    "to_best_lacking",
    "to_best_leaked",
    "origin",
    "suite",
    "unit",
    "higher_is_better",
    "missing",
    "if_wrong",
    "if_right",
    "leaked",
    *COSTS,
)


# What the marks of a table mean, where nobody asked for more.
MARKS = (
    "[ ] 95% interval; * p < 0.05, corrected. 'bench board --explain' says what each word means."
)


def render_terminal(board: Board, *, explain: bool = False) -> RenderableType:
    """The board for a terminal of 80 columns; print it with a rich Console.

    Args:
        explain: the whole legend, as the pages have it; else one line of it.
    """
    parts: list[RenderableType] = [Text(plain(board.title), style="bold"), Text()]
    for section in board.sections:
        for grid in section_grids(section):
            parts += [Text(plain(grid.title), style="bold"), _rich_table(grid), Text()]
    for grid in group_grids(board):
        parts += [Text(plain(grid.title), style="bold"), _rich_table(grid), Text()]
    if not board.sections:
        parts.append(Text("No records for this board yet."))
    for row in board.references:
        parts.append(
            Text(
                plain(
                    f"Published, not run here: {row.model}, {row.what}: {row.value} ({row.source})."
                )
            )
        )
    left_out = [f"Left out: {line}" for line in board.refused]
    lines = [*(legend(board) if explain else [MARKS]), *left_out, *_notes_once(board)]
    parts += [Padding(Text(plain(line), style="dim"), (0, 0, 0, 2)) for line in lines]
    return Group(*parts)


def _notes_once(board: Board) -> list[str]:
    """The notes, each once: what holds of every table names none."""
    titles = [section.title for section in board.sections]
    found: dict[str, list[str]] = {}
    for note in board.notes:
        title, short = next(((t, s) for t in titles if (s := _without(note, t))), ("", note))
        found.setdefault(short, []).append(title)
    return [
        short if named in (titles, [""]) else f"{'; '.join(named)}: {short}"
        for short, named in found.items()
    ]


def _without(note: str, title: str) -> str:
    """A table's note without its title; "" where it is another's."""
    who, found, what = note.partition(f"{title}: ")
    if not found or (who and not who.endswith(", ")):
        return ""
    return f"{who.removesuffix(', ')}: {what}" if who else f"{what[0].upper()}{what[1:]}"


def render_closing(board: Board) -> RenderableType:
    """What was shown and what cannot be, for a terminal: see `leaderboards.text.closing`."""
    return Group(
        *(Padding(Text(plain(line.lstrip())), (0, 0, 0, _depth(line))) for line in closing(board))
    )


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _rich_table(grid: Grid) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for number, name in enumerate(grid.header):
        side = "left" if number == 0 else "right"
        # A long model name breaks at its hyphens, not in a word.
        told = plain(name)
        shown = told.replace("-", "-\n") if len(told) > 14 else told
        table.add_column(Text(shown), justify=side, overflow="fold")  # type: ignore[arg-type]
    for number, line in enumerate(grid.rows):
        if number in grid.rules:
            table.add_section()
        bold = "bold" if number in grid.strong else None
        # Too narrow a terminal breaks between score and interval, never inside one.
        table.add_row(*(Text(plain(cell.replace(", ", ","))) for cell in line), style=bold)
    return table


def render_markdown(board: Board) -> str:
    """The board for GitHub."""
    lines = [f"# {escaped(board.title)}", ""]
    if not board.sections:
        lines += ["No records for this board yet.", ""]
    for section in board.sections:
        grids = [*section_grids(section), *detail_grids(section)]
        for number, grid in enumerate(grids):
            lines += [f"{'##' if number == 0 else '###'} {escaped(grid.title)}", ""]
            lines += [*_markdown_table(grid), ""]
    for grid in group_grids(board):
        lines += [f"## {escaped(grid.title)}", "", *_markdown_table(grid), ""]
    if board.references:
        lines += ["## Published, not run here", ""]
        grid = Grid(
            "",
            ("model", "value", "what", "source"),
            tuple((row.model, f"{row.value}", row.what, row.source) for row in board.references),
        )
        lines += [*_markdown_table(grid), ""]
    lines += ["## How to read this", ""]
    lines += [f"- {escaped(line)}" for line in legend(board)]
    lines += [
        "- A column holds one task, version, metric and decoding; a table one number of"
        " demonstrations, one use of the chat template and one item limit. Draws of"
        " demonstrations are pooled.",
    ]
    if board.refused:
        lines += ["", "## Left out", "", *(f"- {escaped(line)}" for line in board.refused)]
    if board.notes:
        lines += ["", "## Notes", "", *(f"- {escaped(note)}" for note in board.notes)]
    return "\n".join(lines) + "\n"


def _markdown_table(grid: Grid) -> list[str]:
    def line(cells: tuple[str, ...], *, bold: bool = False) -> str:
        shown = [escaped(cell) for cell in cells]
        marked = [f"**{part}**" if bold and part.strip() else part for part in shown]
        return "| " + " | ".join(marked) + " |"

    rule = "| :--- |" + " ---: |" * (len(grid.header) - 1)
    rows = [line(row, bold=number in grid.strong) for number, row in enumerate(grid.rows)]
    return [line(grid.header), rule, *rows]


def render_json(board: Board) -> str:
    """The board with all its numbers; ASCII, so that no mark in a name reorders or hides text."""
    return json.dumps(as_json(board), indent=1, sort_keys=True, allow_nan=False) + "\n"


def render_csv(board: Board) -> str:
    """A line per model and task."""
    out = io.StringIO()
    table = csv.DictWriter(out, _CSV, lineterminator="\n")
    table.writeheader()
    for section in board.sections:
        for row in section.rows:
            for column, cell in zip(section.columns, row.cells, strict=True):
                if cell is None:
                    continue
                line: dict[str, object] = {
                    "shots": section.shots,
                    "chat": section.chat,
                    "limit": section.limit,
                    "task": column.task,
                    "version": column.version,
                    "metric": column.metric,
                    "model": row.label,
                    "base": row.base,
                    "score": cell.score,
                    "low": cell.interval.low if cell.interval else None,
                    "high": cell.interval.high if cell.interval else None,
                    "n": cell.n,
                    "n_scored": cell.n_scored,
                    "n_unparseable": cell.n_unparseable,
                    "n_error": cell.n_error,
                    "complete": cell.complete,
                    "draws": " ".join(map(str, cell.draws)),
                    "draw_low": min(cell.by_draw, default=None),
                    "draw_high": max(cell.by_draw, default=None),
                    "draw_sd": draw_spread(cell.by_draw),
                    "documents": cell.documents,
                    "best_rank": cell.rank[0] if cell.rank else None,
                    "worst_rank": cell.rank[1] if cell.rank else None,
                    "origin": row.origin,
                    "suite": column.suite,
                    "unit": column.unit,
                    "higher_is_better": column.higher_is_better,
                    "missing": cell.missing,
                    "if_wrong": cell.bounds.low if cell.bounds else None,
                    "if_right": cell.bounds.high if cell.bounds else None,
                    "leaked": cell.leaked,
                    **row.cost,
                }
                line |= _difference_fields(cell.difference) if cell.difference else {}
                if cell.clean:
                    line["clean_difference"] = cell.clean.value
                    line["clean_p_holm"] = cell.clean.p_holm
                line |= _best_fields(cell.to_best) if cell.to_best else {}
                table.writerow({key: plain_cell(value) for key, value in line.items()})
    return out.getvalue()


def _difference_fields(found: Difference) -> dict[str, object]:
    return {
        "compared_with": found.other,
        "difference": found.value,
        "difference_low": found.interval.low,
        "difference_high": found.interval.high,
        "difference_simultaneous_low": found.simultaneous.low,
        "difference_simultaneous_high": found.simultaneous.high,
        "p": found.p,
        "p_holm": found.p_holm,
        "test": found.test,
        "detectable": found.detectable,
        "n_paired": found.n,
        "paired_draws": " ".join(map(str, found.draws)),
        "unlike": "; ".join(found.unlike),
        "lacking": found.lacking or None,
        "paired_leaked": found.leaks,
    }


def _best_fields(found: Difference) -> dict[str, object]:
    return {
        "best": found.other,
        "to_best": found.value,
        "to_best_low": found.interval.low,
        "to_best_high": found.interval.high,
        "to_best_simultaneous_low": found.simultaneous.low,
        "to_best_simultaneous_high": found.simultaneous.high,
        "to_best_p_holm": found.p_holm,
        "to_best_lacking": found.lacking or None,
        "to_best_leaked": found.leaks,
    }


def write_board(board: Board, out: Path) -> list[Path]:
    """Write README.md, board.json, scores.csv and board.tex into `out`; return their paths."""
    files = {
        "README.md": render_markdown(board),
        "board.json": render_json(board),
        "scores.csv": render_csv(board),
        "board.tex": render_latex(board),
    }
    for name, text in files.items():
        write_text(out / name, text)
    return [out / name for name in files]
