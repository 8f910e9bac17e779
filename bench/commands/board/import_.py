"""`bench board import`: models run by lm-eval itself, as records."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import folder_options, workspace_of
from harness.doors.terminal import complain, say
from harness.errors import UserErrors

if TYPE_CHECKING:
    from leaderboards.exchange.lm_eval_import import Imported

NAME = "import"
HELP = "take lm-eval result folders (written with --log_samples) as records"
EXAMPLES = (
    "bench board import lm_eval_output",
    "bench board import lm_eval_output --model mine --out results",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", type=Path, help="what lm_eval wrote to --output_path")
    sub.add_argument("--model", default="", help="name of the model (default: lm-eval's)")
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from harness.record import beside, identity_of, job_of, place_of, write_record
    from leaderboards.exchange.lm_eval_import import read_results

    workspace = workspace_of(args)
    out, index = workspace.out, workspace.suites
    results = read_results(
        args.folder,
        workspace.cards(),
        lambda task: index.place(task).suite,
        args.model,
    )
    places: dict[Path, Imported] = {}
    faults = list(results.refused)
    for entry in results.found:
        job, mine = job_of(entry.manifest), identity_of(entry.manifest)
        place = place_of(out / "runs", job, entry.manifest)
        if place in places and identity_of(places[place].manifest) != mine:
            place = beside(place, mine)  # asked otherwise: both stand, as two runs do
        if place in places:
            faults += _twice(place, places[place], entry)
        elif (place / "record.json").exists() and not _same(place, entry):
            faults.append(
                f"{place}: a record of this run is there already, and another one. Give the "
                "imported model another name with --model, or remove that folder."
            )
        else:
            places[place] = entry
    if not places:
        raise UserErrors(faults)
    for place, entry in places.items():
        write_record(place, entry.manifest, entry.items, entry.summary, {})
    if not args.quiet:
        models = ", ".join(sorted({entry.manifest["model"] for entry in places.values()}))
        say(f"{len(places)} records of {models} in {out / 'runs'}. Now: bench board")
    for fault in faults:
        complain(f"bench: left out: {fault}")
    return 1 if faults else 0


def _twice(place: Path, first: Imported, second: Imported) -> list[str]:
    """What is wrong with two runs that were asked the same: nothing, if they agree."""
    if (first.items, first.summary) == (second.items, second.summary):
        return []
    return [
        f"{second.manifest['origin']} and {first.manifest['origin']} are both "
        f"{place.parent.name} on {place.name} and do not agree (other answers). "
        "The first is taken. Import the second from a folder of its own, with --model."
    ]


def _same(place: Path, entry: Imported) -> bool:
    from harness.record import read_record

    there = read_record(place)
    manifest = {key: value for key, value in there.manifest.items() if key != "engine_report"}
    return manifest == entry.manifest and there.items == entry.items
