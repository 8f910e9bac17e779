"""A board with its records, as others may have it.

Where a set's card does not let its rows be passed on, a record keeps ids,
counts, scores and parse states; questions, expected answers and the model's
answers, which may quote them, are left out. All numbers of the board are the same.
Pages are left out too: they can be built from the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from harness.doors.files import parse_json
from harness.doors.paths import inside
from harness.doors.run_facts import write_run_facts
from harness.errors import UserError, UserErrors
from harness.files import write_text
from harness.record import job_of, place_of, read_records, write_record
from harness.types import Json, Record
from leaderboards.folder import SPEC, WITHHELD, write_costs, write_files
from leaderboards.gather import gather, select
from leaderboards.pages.files import LIST, listed
from leaderboards.pages.provenance import copy_kept
from leaderboards.spec import BoardSpec, dump_board
from leaderboards.writing.aside import written_aside
from leaderboards.writing.seals import SEAL, SIGNATURE, sign, write_seal

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
    key: Path | None = None,
) -> list[str]:
    """Write the board's records and the board made from them, all under one seal.

    What an earlier publication left in `folder` is replaced, whole or not at all.

    Args:
        made_of: the project's folder, to publish what pages show of its artifacts
            too: counts, training curve, examples, and the seeds and passages behind
            them. Only their owner knows whether the passages may be passed on.
        may_pass_on: task -> whether its card, as it is now, lets rows be passed on; of tasks
            that are not among them the record's own word counts.
        key: a private SSH key, which signs the seal.
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
    pages = {f"board/{page}" for page in (*listed(folder / "board"), LIST)}
    with written_aside(folder, lambda path: _is_published(path) or str(path) in pages) as new:
        for record in chosen:
            _write(record, new / "runs", may_pass_on)
        write_text(new / f"{name}{SPEC}", dump_board(spec))
        published = read_records(new / "runs")
        write_costs(published, new / "costs.csv")
        write_files(published, replace(spec, name=name), new, new / "board")
        made = sorted({(str(r.manifest["model"]), str(r.manifest["artifact"])) for r in published})
        kept = [
            model
            for model, artifact in made
            if made_of is not None and copy_kept(made_of, model, artifact, new)
        ]
        write_seal(new)
        if key is not None:
            sign(new, key)
    return kept


def _is_published(path: PurePosixPath) -> bool:
    """Whether a file is one that an earlier publication wrote."""
    return path.parts[0] in ("runs", "artifacts", SEAL, SIGNATURE) or str(path).endswith(SPEC)


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
    seal = parse_json((folder / "record.json").read_bytes())["sha256"]
    write_run_facts(folder, record.manifest["engine_report"], seal)


def without_texts(item: Mapping[str, Any]) -> Json:
    """A row without the set's texts and the answers that may quote them."""
    row = {key: item[key] for key in _KEPT if key in item}
    return row | {
        "responses": [
            {key: response[key] for key in _KEPT_OF_A_RESPONSE if key in response}
            for response in item["responses"]
        ]
    }
