"""`bench board`: the board of the records there, without any model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.options import board_format, output_options
from harness.commands.session import open_registry, out_folder
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.types import Record
    from leaderboards.spec import BoardSpec

NAME = "board"
HELP = "rebuild the board from the records alone"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", nargs="?", default="", help="a declared board (default: all runs)")
    output_options(sub)
    board_format(sub)


def call(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.record import read_records
    from leaderboards.spec import board_of, load_board

    config = load_config()
    out = out_folder(args, config)
    records = read_records(out / "runs")
    if not records:
        raise UserError(
            f"{out / 'runs'}: no records. Run 'bench run --models ... --tasks ...' first, "
            "or name the folder with --out."
        )
    registry = open_registry(config)
    spec = load_board(registry.board(args.name)) if args.name else board_of(records)
    folder = out / "board" / args.name if args.name else out / "board"
    return write_board_of(args, records, spec, folder)


def write_board_of(
    args: argparse.Namespace, records: Sequence[Record], spec: BoardSpec, folder: Path
) -> int:
    """Write a board's files and pages, and print it as asked."""
    from leaderboards.build import build
    from leaderboards.pages import write_pages
    from leaderboards.render import render_json, render_markdown, render_terminal, write_board

    board = build(records, spec)
    write_board(board, folder)
    pages = write_pages(board, records, spec, folder)
    if args.json:
        print(render_json(board))
    elif args.markdown:
        print(render_markdown(board))
    elif not args.quiet:
        from rich.console import Console

        Console().print(render_terminal(board))
        print(f"Page to open: {pages[0]}")
        print(f"Also as Markdown, JSON and CSV in {folder}")
    return 0
