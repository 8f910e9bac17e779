"""`bench board check`: is a board, byte for byte, what its records give?"""

from __future__ import annotations

import argparse

from bench.commands.options import board_name, folder_options, workspace_of
from harness.doors.terminal import complain, say

NAME = "check"
HELP = "make the board anew and name every file that differs; exit code 1 if any does"
EXAMPLES = (
    "bench board check",
    "bench board check --out leaderboards/published/biomed",
)


def options(sub: argparse.ArgumentParser) -> None:
    board_name(sub)
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from leaderboards.folder import board_folder, check_folder

    workspace = workspace_of(args)
    refused: list[str] = []
    out, records = workspace.out, workspace.records(refused)
    spec = workspace.board_spec(args.name, records)
    folder = board_folder(out, args.name)
    faults = check_folder(records, spec, out, folder, refused)
    for fault in faults:
        complain(fault)
    if faults:
        complain(
            f"{folder} is not what its {len(records)} records give: {len(faults)} files. "
            "'bench board build' writes them anew."
        )
        return 1
    if not args.quiet:
        say(f"{folder} is what its {len(records)} records give, byte for byte.")
    return 0
