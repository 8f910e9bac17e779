"""`bench board publish`: a board and its records, as others may have them."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import board_name, folder_options, workspace_of
from harness.doors.terminal import say

NAME = "publish"
HELP = "write the board with its records, without texts that may not be passed on"
EXAMPLES = (
    "bench board publish --to published",
    "bench board publish --to published --examples",
)


def options(sub: argparse.ArgumentParser) -> None:
    board_name(sub)
    sub.add_argument("--to", type=Path, required=True, help="the folder to write")
    sub.add_argument(
        "--examples",
        action="store_true",
        default=False,
        help="with the training examples, their seeds and passages (if those may be passed on)",
    )
    sub.add_argument(
        "--sign",
        type=Path,
        default=None,
        metavar="KEY",
        help="sign it with this private SSH key (ssh-keygen -Y)",
    )
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from leaderboards.publish import publish

    workspace = workspace_of(args)
    out, records = workspace.out, workspace.records()
    spec = workspace.board_spec(args.name, records)
    made_of = out if args.examples else None
    # The card as it is now: a licence may have been read anew since the run.
    allowed = {
        name: card.redistribute and card.origin.kind == "own"
        for name, card in workspace.cards().items()
    }
    to = args.to.resolve()
    made = publish(records, spec, to.name, to, made_of, allowed, args.sign)
    if not args.quiet:
        if args.examples:
            say(f"With the training examples of: {', '.join(made) or 'no model'}")
        say(f"Board: {args.to / 'board' / 'README.md'}")
        say(f"Its pages: bench board build --out {args.to}")
        say(f"Check it any time: bench board check --out {args.to}")
    return 0
