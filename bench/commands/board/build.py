"""`bench board`: everything that is made from records, without any model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from bench.commands.board import check as board_check
from bench.commands.board import export as board_export
from bench.commands.board import gate as board_gate
from bench.commands.board import import_ as board_import
from bench.commands.board import publish as board_publish
from bench.commands.board import serve as board_serve
from bench.commands.options import (
    board_format,
    board_name,
    examples,
    output_options,
    told_refused,
    workspace_of,
)
from harness.doors.terminal import say

if TYPE_CHECKING:
    from harness.types import Record
    from leaderboards.spec import BoardSpec

NAME = "board"
HELP = "rebuild the board from the records alone; check, gate, publish and exchange it"
EXAMPLES = (
    "bench board",
    "bench board build biomed --markdown",
)

_PARTS: tuple[ModuleType, ...] = (
    board_check, board_gate, board_publish, board_export, board_import, board_serve,
)  # fmt: skip
BUILD = "write the board's files and pages (what plain 'bench board' does)"


def options(sub: argparse.ArgumentParser) -> None:
    output_options(sub)
    board_format(sub)
    sub.set_defaults(name="")
    parts = sub.add_subparsers(dest="part", metavar="PART")
    # What is left out here keeps the value given before the part's name.
    build = parts.add_parser(
        "build",
        help=BUILD,
        description=BUILD,
        argument_default=argparse.SUPPRESS,
        **examples(EXAMPLES),
    )
    board_name(build)
    output_options(build)
    board_format(build)
    for part in _PARTS:
        parser = parts.add_parser(
            part.NAME,
            help=part.HELP,
            description=part.HELP,
            argument_default=argparse.SUPPRESS,
            **examples(part.EXAMPLES),
        )
        parser.set_defaults(function=part.call)
        part.options(parser)


def call(args: argparse.Namespace) -> int:
    workspace = workspace_of(args)
    refused: list[str] = []
    out, records = workspace.out, workspace.records(refused)
    spec = workspace.board_spec(args.name, records)
    return write_board_of(args, records, spec, out, args.name, refused)


def write_board_of(
    args: argparse.Namespace,
    records: Sequence[Record],
    spec: BoardSpec,
    out: Path,
    name: str = "",
    refused: Sequence[str] = (),
) -> int:
    """Write a board's files and pages, and print it as asked; "" is the default board.

    Args:
        refused: why records could not be read; the board names them with those that cannot
            be shown, and the exit code is then 1.
    """
    from leaderboards.folder import board_folder, write_costs, write_folder
    from leaderboards.text.render import (
        render_closing,
        render_json,
        render_markdown,
        render_terminal,
    )

    folder = board_folder(out, name)
    board, page = write_folder(records, spec, out, folder, refused)
    write_costs(records, out / "costs.csv")
    if args.json:
        say(render_json(board))
    elif args.markdown:
        say(render_markdown(board))
    elif not args.quiet:
        from harness.doors.terminal import open_console

        console = open_console()
        console.print(render_terminal(board, explain=args.explain))
        say(f"Page to open: {page}")
        say(f"Also as Markdown, JSON, CSV and LaTeX in {folder}; seconds in {out / 'costs.csv'}")
        console.print(render_closing(board))
        if hint := _uncompared(records, spec, out):
            say(hint)
    return told_refused(board.refused)


def _uncompared(records: Sequence[Record], spec: BoardSpec, out: Path) -> str:
    """How models that only their user knows to be made of another are compared with it; "" where
    something is compared."""
    from leaderboards.claims.floors import is_floor
    from leaderboards.spec import dump_board

    manifests = [record.manifest for record in records if not is_floor(record)]
    models = sorted({str(manifest["model"]) for manifest in manifests})
    made = any(manifest["specializer"] for manifest in manifests)
    if spec.baseline or made or len(models) < 2:
        return ""
    return (
        "No differences: none of these models is known to be made of another. Is one (a merged "
        f"adapter, a fine-tune)? Write this to {out / 'mine.board.toml'}, with the model to "
        f"compare with ({', '.join(models)}), then 'bench board':\n"
        + dump_board(replace(spec, baseline=models[0])).rstrip()
    )
