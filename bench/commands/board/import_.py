"""`bench board import`: models run by lm-eval itself, as records."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import folder_options, workspace_of
from harness.errors import UserErrors

NAME = "import"
HELP = "take lm-eval result folders (written with --log_samples) as records"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", type=Path, help="what lm_eval wrote to --output_path")
    sub.add_argument("--model", default="", help="name of the model (default: lm-eval's)")
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from harness.record import record_folder, write_record
    from harness.types import Job
    from leaderboards.exchange.lm_eval_import import read_results

    workspace = workspace_of(args)
    out, index = workspace.out, workspace.suites
    found = read_results(
        args.folder,
        workspace.cards(),
        lambda task: index.place(task).suite,
        args.model,
    )
    places: dict[Path, int] = {}
    faults = []
    for number, entry in enumerate(found):
        facts = {key: entry.manifest[key] for key in Job.__dataclass_fields__ if key != "chat"}
        place = record_folder(out / "runs", Job(**facts))
        if place.exists() or place in places:
            faults.append(
                f"{place}: a record of this run is there already. Give the imported model another "
                "name with --model, or remove that folder."
            )
        places[place] = number
    if faults:
        raise UserErrors(faults)
    for place, number in places.items():
        entry = found[number]
        write_record(place, entry.manifest, entry.items, entry.summary, {})
    if not args.quiet:
        models = ", ".join(sorted({entry.manifest["model"] for entry in found}))
        print(f"{len(found)} records of {models} in {out / 'runs'}. Now: bench board")
    return 0
