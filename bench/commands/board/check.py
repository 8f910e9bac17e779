"""`bench board check`: is a board, byte for byte, what its records give?"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import board_name, folder_options, workspace_of
from harness.doors.terminal import complain, say
from harness.errors import UserErrors

NAME = "check"
HELP = "make the board anew, name every file that differs or was changed; exit code 1 if any"
EXAMPLES = (
    "bench board check",
    "bench board check --out leaderboards/published/biomed",
)


def options(sub: argparse.ArgumentParser) -> None:
    board_name(sub)
    sub.add_argument(
        "--signers",
        type=Path,
        default=None,
        metavar="FILE",
        help="who may have signed a published board (ssh-keygen's allowed signers)",
    )
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from harness.doors.run_facts import is_sealed
    from leaderboards.folder import board_folder, check_folder
    from leaderboards.writing.seals import SEAL, seal_faults, signature_told

    workspace = workspace_of(args)
    out, refused = workspace.out, list[str]()
    signed, fault = signature_told(out, args.signers)
    faults = [*seal_faults(out), *filter(None, [fault])]
    if faults:
        raise UserErrors(faults)
    records = workspace.records(refused)
    spec = workspace.board_spec(args.name, records)
    folder = board_folder(out, args.name)
    faults = check_folder(records, spec, out, folder, refused)
    for fault in [*(f"left out: {line}" for line in refused), *faults]:
        complain(fault)
    if faults:
        complain(
            f"{folder} is not what its {len(records)} records give: {len(faults)} files. "
            "'bench board build' writes them anew."
        )
        return 1
    if not args.quiet:
        say(f"{folder} is what its {len(records)} records give, byte for byte.")
        if signed:
            say(f"{out}: {signed}.")
        unproved = [r.folder for r in records if r.folder and not is_sealed(r.folder)]
        if unproved and not (out / SEAL).is_file():
            say(
                f"{len(unproved)} of {len(records)} run.json files are of an earlier version, "
                "without a seal: whose costs they are is not proved."
            )
    return 1 if refused else 0
