"""What the records of a board say beside their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import did_you_mean
from harness.identity.recorded import task_differences
from harness.types import Record
from leaderboards.board import RecordColumn, RecordTable, Way
from leaderboards.records.rows import without_base
from leaderboards.shown import listed, task_name
from leaderboards.spec import BoardSpec


def board_notes(
    sections: Sequence[RecordTable],
    left_out: Sequence[Record],
    records: Sequence[Record],
    spec: BoardSpec,
) -> list[str]:
    """Stand-ins, limits, failed calls, cut prompts, what is declared and has no record.

    Args:
        left_out: records of another task version than the board declares.
        records: all there are, shown or not.
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
    notes += _limits(placed)
    notes += [note for section in sections for note in _several_versions(section)]
    notes += [note for section in sections for note in _several_contents(section)]
    notes += [note for section in sections for note in _no_base(section)]
    notes += sorted({note for *_, record in placed for note in _partial(record)})
    origins = sorted(
        {(label, o) for *_, label, record in placed if (o := record.manifest.get("origin"))}
    )
    notes += [f"{label}: not run here, imported from {origin}." for label, origin in origins]
    notes += [note for section in sections for raw in section.columns for note in _words(raw)]
    for section, raw, label, record in placed:
        where = f"{label} on {raw.column.task}, {section.setting[0]}-shot"
        notes += _faults(where, record)
    notes += sorted({_of_another_version(record, spec) for record in left_out})
    notes += _absent(placed, records, spec)
    return notes


def _several_contents(section: RecordTable) -> Iterator[str]:
    """Tasks of one version and two contents, and in what they differ."""
    seen: dict[tuple[str, str], tuple[str, Record]] = {}
    for raw in section.columns:
        label, draws = next(iter(raw.cells.items()))
        record = next(iter(draws.values()))
        version = str(record.manifest["task_version"])
        key = (raw.column.task, version)
        if key not in seen:
            seen[key] = label, record
            continue
        other, first = seen[key]
        if parts := task_differences(first.manifest, record.manifest):
            yield (
                f"{raw.column.task} {version}: {other} and {label} were asked two tasks "
                f"of one version, {' and '.join(parts)} differ; they stand in two columns. Raise "
                "the task's version and run again."
            )


def _no_base(section: RecordTable) -> Iterator[str]:
    for label, base, others in without_base(section):
        if others:
            why = f"its base was other weights than '{base}' is here. Run both again with one"
        else:
            why = f"its base '{base}' is not on this board. Run it too, with the same"
        yield f"{label}: not compared, {why} 'bench run'."


def _partial(record: Record) -> Iterator[str]:
    """How much of a set was there, where the card says how much there is."""
    data = record.manifest.get("data") or {}
    rows, whole = data.get("rows"), data.get("of")
    task = record.manifest["task"]
    if isinstance(rows, int) and isinstance(whole, int) and rows < whole:
        yield f"{task}: {rows:,} of {whole:,} items were there, a partial mirror."


Placed = tuple[RecordTable, RecordColumn, str, Record]


def _limits(placed: Sequence[Placed]) -> Iterator[str]:
    """Which tasks were not asked whole."""
    cut = {
        raw.column.task: record.manifest["limit"] < record.manifest["n_full"]
        for _, raw, _, record in placed
        if record.manifest["limit"]
    }
    some = sorted(task for task, shortened in cut.items() if shortened)
    if some:
        what = "each task" if all(cut.values()) else listed(some)
        chosen = any(record.manifest.get("sample") for *_, record in placed)
        which = "some items" if chosen else "the first items"
        how = ", of which labels have their shares" if chosen else ""
        yield f"Only {which} of {what} were run{how}: these are no full test-set scores."


def _absent(placed: Sequence[Placed], records: Sequence[Record], spec: BoardSpec) -> Iterator[str]:
    """What the board's declaration names and no record shown has."""
    shown = {key: {str(r.manifest[key]) for *_, r in placed} for key in ("task", "model", "shots")}
    there = {
        key: {str(r.manifest.get(key)) for r in records}
        for key in ("suite", "task", "model", "shots")
    }
    if spec.suite and spec.suite not in there["suite"]:
        known = ", ".join(sorted(there["suite"])) or "no suite"
        yield (
            f"suite {spec.suite}: declared for this board, no record found (there are records of "
            f"{known}).{did_you_mean(spec.suite, there['suite'])}"
        )
    baseline = [spec.baseline] if spec.baseline else []
    for key, told, names in (
        ("task", "", spec.tasks),
        ("model", "", [*spec.models, *baseline]),
        ("shots", "shots ", map(str, spec.shots)),
        ("task", "[metrics] ", spec.metrics),
        ("task", "[versions] ", spec.versions),
    ):
        for name in names:
            if name not in shown[key]:
                yield (
                    f"{told}{name}: declared for this board, no record found."
                    f"{did_you_mean(name, there[key])}"
                )


def _of_another_version(record: Record, spec: BoardSpec) -> str:
    manifest = record.manifest
    task = manifest["task"]
    return (
        f"{manifest['model']} on {task}, {manifest['shots']}-shot: refused, its record is of task "
        f"version {manifest['task_version']} and this board shows version {spec.versions[task]}."
    )


def _several_versions(section: RecordTable) -> Iterator[str]:
    columns = [raw.column for raw in section.columns]
    for suite, task in dict.fromkeys((column.suite, column.task) for column in columns):
        same = [column for column in columns if (column.suite, column.task) == (suite, task)]
        if len(same) < 2:
            continue
        versions = sorted({column.version for column in same})
        counts = [task_name(column, columns) for column in same if column.in_average]
        what = f"versions {' and '.join(versions)}" if len(versions) > 1 else "decodings"
        which = f"{counts[0]} counts, which most models have" if counts else "none counts"
        yield f"{task}: {what} stand apart; {which}."


def _words(raw: RecordColumn) -> Iterator[str]:
    """Imported models whose prompts are not those asked here under the same task version."""
    every = [record for draws in raw.cells.values() for record in draws.values()]
    if not any(record.manifest.get("origin") for record in every):
        return
    asked: dict[tuple[Way, str], str] = {}
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
        yield f"{where}: {summary['n_cut']} of {n} prompts did not fit the window and were cut."
    if record.manifest.get("rewritten") == 0:
        yield (
            f"{where}: its specializer rewrote none of the {n} prompts; what differs from the "
            "base here is not its doing."
        )
