"""What a reader must know beside the numbers, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.types import Record
from leaderboards.board import RawColumn, RawSection
from leaderboards.spec import BoardSpec


def board_notes(
    sections: Sequence[RawSection], left_out: Sequence[Record], spec: BoardSpec
) -> tuple[str, ...]:
    """Stand-ins, limits, failed calls, cut prompts, tasks and models without a record.

    `left_out`: records of another task version than the board declares.
    """
    placed = [
        (section, raw, label, record)
        for section in sections
        for raw in section.columns
        for label, draws in raw.cells.items()
        for record in draws.values()
    ]
    notes = [
        f"{raw.column.task} is a stand-in: {raw.column.stand_in}"
        for section in sections
        for raw in section.columns
        if raw.column.stand_in
    ]
    if any(0 < record.manifest["limit"] < record.manifest["n_full"] for *_, record in placed):
        notes.append(
            "Only the first items of each task were run: these are no full test-set scores."
        )
    notes += [note for section in sections for note in _several_versions(section)]
    origins = sorted(
        {(label, o) for *_, label, record in placed if (o := record.manifest.get("origin"))}
    )
    notes += [f"{label}: not run here, imported from {origin}." for label, origin in origins]
    notes += [note for section in sections for raw in section.columns for note in _words(raw)]
    for section, raw, label, record in placed:
        where = f"{label} on {raw.column.task}, {section.setting[0]}-shot"
        notes += _faults(where, record)
    notes += sorted({_of_another_version(record, spec) for record in left_out})
    tasks = {raw.column.task for _, raw, _, _ in placed}
    models = {record.manifest["model"] for *_, record in placed}
    baseline = [spec.baseline] if spec.baseline else []
    absent = [name for name in spec.tasks if name not in tasks]
    absent += [name for name in [*spec.models, *baseline] if name not in models]
    notes += [f"{name}: declared for this board, no record found." for name in absent]
    return tuple(dict.fromkeys(notes))


def _of_another_version(record: Record, spec: BoardSpec) -> str:
    manifest = record.manifest
    task = manifest["task"]
    return (
        f"{manifest['model']} on {task}, {manifest['shots']}-shot: refused, its record is of task "
        f"version {manifest['task_version']} and this board shows version {spec.versions[task]}."
    )


def _several_versions(section: RawSection) -> Iterator[str]:
    columns = [raw.column for raw in section.columns]
    for task in dict.fromkeys(column.task for column in columns):
        versions = sorted({column.version for column in columns if column.task == task})
        if len(versions) > 1:
            yield f"{task}: versions {' and '.join(versions)} stand apart; the newest counts."


def _words(raw: RawColumn) -> Iterator[str]:
    """Imported models whose prompts are not those asked here under the same task version."""
    every = [record for draws in raw.cells.values() for record in draws.values()]
    if not any(record.manifest.get("origin") for record in every):
        return
    asked: dict[tuple[int, str], str] = {}
    for draws in raw.cells.values():
        for draw, record in draws.items():
            # A specializer may rewrite its prompts, a template wraps them.
            if not (record.manifest.get("origin") or record.manifest["specializer"]):
                asked |= {(draw, item["id"]): item["prompt_sha256"] for item in record.items}
    for label, draws in raw.cells.items():
        for draw, record in draws.items():
            if record.manifest.get("origin") and not record.manifest["chat"]:
                shared = [item for item in record.items if (draw, item["id"]) in asked]
                other = sum(asked[draw, i["id"]] != i["prompt_sha256"] for i in shared)
                if other:
                    yield (
                        f"{label} on {raw.column.task}: {other} of {len(shared)} prompts are not "
                        "those asked here under the same task version."
                    )


def _faults(where: str, record: Record) -> Iterator[str]:
    summary = record.summary
    n = summary["n"]
    if failed := summary["n_error"]:
        yield f"{where}: incomplete, {failed} of {n} items failed and have no score."
    if refused := summary.get("n_refused"):
        yield f"{where}: {refused} of {n} items were refused by the server and have no score."
    if unended := summary.get("n_reasoning"):
        yield f"{where}: {unended} of {n} answers ended inside the model's reasoning."
    if summary["n_cut"]:
        yield f"{where}: {summary['n_cut']} of {n} prompts did not fit and were cut at the start."
