"""A board with its records, as others may have it.

Where a set's card does not let its rows be passed on, a record keeps ids,
counts, scores and parse states; questions, expected answers and the model's
answers, which may quote them, are left out. All numbers of the board are the same.
Pages are left out too: they can be built from the records.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.doors.paths import inside
from harness.errors import UserError, UserErrors
from harness.files import write_json, write_text
from harness.record import job_of, place_of, read_records, write_record
from harness.types import Json, Record
from leaderboards.folder import SPEC, WITHHELD, write_costs, write_files
from leaderboards.gather import gather, select
from leaderboards.pages.files import remove_site
from leaderboards.pages.provenance import copy_kept
from leaderboards.spec import BoardSpec, dump_board

# Everything else of a row is text of the set, or may quote it.
_KEPT = ("id", "status", "metrics", "document", "cut_tokens", "prompt_sha256", "flags")
_KEPT_OF_A_RESPONSE = ("tokens", "finish", "loglikelihood", "greedy", "reasoning_tokens")


def publish(
    records: Sequence[Record],
    spec: BoardSpec,
    name: str,
    folder: Path,
    made_of: Path | None = None,
    may_pass_on: Mapping[str, bool] = MappingProxyType({}),
) -> list[str]:
    """Write the board's records and the board made from them.

    What an earlier publication left in `folder` is replaced.

    Args:
        made_of: the project's folder, to publish what pages show of its artifacts
            too: counts, training curve, examples, and the seeds and passages behind
            them. Only their owner knows whether the passages may be passed on.
        may_pass_on: task -> whether its card, as it is now, lets rows be passed on; of tasks
            that are not among them the record's own word counts.
    Returns:
        names of the specialised models whose artifacts were published.
    Raises:
        UserError: the folder holds something else, or no record is on the board.
        UserErrors: records that cannot be shown.
    """
    if folder.exists() and any(folder.iterdir()) and not any(folder.glob(f"*{SPEC}")):
        raise UserError(
            f"{folder}: not empty, and no published board (it has no *{SPEC}). "
            "Name a new folder with --to."
        )
    chosen = select(records, spec)
    if not chosen:
        raise UserError(f"board '{spec.name}': no record is on it, so there is nothing to publish.")
    refused: list[str] = []
    gather(chosen, spec, refused)
    if refused:
        raise UserErrors(refused)
    for part in ("runs", "artifacts", "board"):
        inside(folder, folder / part, what="this folder")
    for part in ("runs", "artifacts"):
        shutil.rmtree(folder / part, ignore_errors=True)
    remove_site(folder / "board")
    for old in folder.glob(f"*{SPEC}"):
        old.unlink()
    for record in chosen:
        _write(record, folder / "runs", may_pass_on)
    write_text(folder / f"{name}{SPEC}", dump_board(spec))
    published = read_records(folder / "runs")
    write_costs(published, folder / "costs.csv")
    write_files(published, replace(spec, name=name), folder, folder / "board")
    made = sorted({(str(r.manifest["model"]), str(r.manifest["artifact"])) for r in published})
    return [
        model
        for model, artifact in made
        if made_of is not None and copy_kept(made_of, model, artifact, folder)
    ]


def _write(record: Record, runs: Path, may_pass_on: Mapping[str, bool]) -> None:
    manifest = {key: value for key, value in record.manifest.items() if key != "engine_report"}
    items: list[Json] = [dict(item) for item in record.items]
    manifest["redistribute"] = may_pass_on.get(manifest["task"], manifest["redistribute"])
    if not manifest["redistribute"] and not manifest.get(WITHHELD):
        manifest[WITHHELD] = True
        items = [without_texts(item) for item in items]
    folder = place_of(runs, job_of(manifest), manifest)
    write_record(folder, manifest, items, dict(record.summary), {})
    # Not a run of its own: the facts are those of the runs behind it.
    write_json(folder / "run.json", record.manifest["engine_report"])


def without_texts(item: Mapping[str, Any]) -> Json:
    """A row without the set's texts and the answers that may quote them."""
    row = {key: item[key] for key in _KEPT if key in item}
    return row | {
        "responses": [
            {key: response[key] for key in _KEPT_OF_A_RESPONSE if key in response}
            for response in item["responses"]
        ]
    }
