"""`bench board publish`: a board and its records, as others may have them."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.options import board_name, folder_options
from harness.commands.session import recorded

NAME = "publish"
HELP = "write the board with its records, without texts that may not be passed on"


def options(sub: argparse.ArgumentParser) -> None:
    board_name(sub)
    sub.add_argument("--to", type=Path, required=True, help="the folder to write")
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from leaderboards.publish import publish

    _, records, spec = recorded(args)
    page = publish(records, spec, args.to.resolve().name, args.to)
    if not args.quiet:
        print(f"Page to open: {page}")
        print(f"Check it any time: bench board check --out {args.to}")
    return 0
