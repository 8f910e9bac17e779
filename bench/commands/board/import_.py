"""`bench board import`: models run by lm-eval itself, as records."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import folder_options
from bench.plugins import open_registry, open_suites
from bench.workspace import out_folder
from harness.errors import UserErrors

NAME = "import"
HELP = "take lm-eval result folders (written with --log_samples) as records"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", type=Path, help="what lm_eval wrote to --output_path")
    sub.add_argument("--model", default="", help="name of the model (default: lm-eval's)")
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from bench.config import load_config
    from harness.record import record_folder, write_record
    from harness.types import Job
    from leaderboards.exchange.lm_eval_import import read_results
    from tasks.cards import load_cards

    config = load_config()
    out = out_folder(args, config)
    registry = open_registry(config)
    index = open_suites(registry, config)
    found = read_results(
        args.folder,
        load_cards(registry.suites().values()),
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
