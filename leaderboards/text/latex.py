"""A board's tables for a paper: LaTeX, for the package booktabs."""

from __future__ import annotations

from leaderboards.board import Board
from leaderboards.text.escape import visible
from leaderboards.text.grids import Grid, legend, section_grids

# What LaTeX reads as a command, and marks of ours that its fonts may lack.
_WRITTEN = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "*": r"\textsuperscript{*}",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
    "≈": r"$\approx$",
    "§": r"\S{}",
    "°": r"$^\circ$",
    "↓": r"$\downarrow$",
    "−": r"$-$",
    "–": "--",
}


def render_latex(board: Board) -> str:
    """One `tabular` per table, with the legend as comments above; the caption is the reader's."""
    lines = [f"% {_comment(board.title)}", r"% Needs \usepackage{booktabs}."]
    lines += [f"% {_comment(line)}" for line in legend(board)]
    for section in board.sections:
        for grid in section_grids(section):
            lines += ["", f"% {_comment(grid.title)}", *_tabular(grid)]
    return "\n".join(lines) + "\n"


def _tabular(grid: Grid) -> list[str]:
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(grid.header) - 1)}}}", r"\toprule"]
    lines += [_row(grid.header), r"\midrule"]
    for number, cells in enumerate(grid.rows):
        if number in grid.rules:
            lines.append(r"\midrule")
        lines.append(_row(cells, bold=number in grid.strong))
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _row(cells: tuple[str, ...], *, bold: bool = False) -> str:
    shown = [_escaped(cell) for cell in cells]
    marked = [rf"\textbf{{{part}}}" if bold and part else part for part in shown]
    # A cell that begins with "[" would be read as the line break's own argument.
    guarded = [f"{{}}{part}" if part.startswith("[") else part for part in marked]
    return " & ".join(guarded) + r" \\"


def _escaped(text: str) -> str:
    return "".join(_WRITTEN.get(mark, mark) for mark in visible(" ".join(text.split())))


def _comment(text: str) -> str:
    """Text on one line: a line break would end the comment."""
    return visible(" ".join(text.split()))
