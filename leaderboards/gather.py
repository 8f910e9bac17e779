"""Records -> tables: which runs may stand beside each other, and which may not.

A table (section) holds what was asked in one way: the same number of
demonstrations, with or without chat template, the same item limit. Within it a
column is one task, version, metric and decoding. Draws of demonstrations are
pooled in a cell. A row is one set of weights under one numerics: two artifacts
of one name are two rows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness import moved_names
from harness.errors import UserErrors
from harness.files import digest
from harness.suites.metrics import unit_of
from harness.types import Record
from leaderboards.board import Column, RawColumn, RawSection, Setting
from leaderboards.spec import BoardSpec


def select(records: Iterable[Record], spec: BoardSpec) -> list[Record]:
    """The records a board shows, in an order that depends on them alone."""
    return [record for record in _asked_for(records, spec) if _of_declared_version(record, spec)]


def refused(records: Iterable[Record], spec: BoardSpec) -> list[Record]:
    """Records a board would show, were they not of another version than it declares."""
    return [
        record for record in _asked_for(records, spec) if not _of_declared_version(record, spec)
    ]


def _asked_for(records: Iterable[Record], spec: BoardSpec) -> list[Record]:
    chosen = [
        record
        for record in records
        if (not spec.suite or record.manifest["suite"] == spec.suite)
        and (not spec.tasks or record.manifest["task"] in spec.tasks)
        and (not spec.shots or record.manifest["shots"] in spec.shots)
        and (not spec.models or record.manifest["model"] in spec.models)
    ]
    return sorted(chosen, key=lambda record: digest(_identity(record)))


def _of_declared_version(record: Record, spec: BoardSpec) -> bool:
    version = str(record.manifest["task_version"])
    return spec.versions.get(record.manifest["task"], version) == version


def gather(records: Iterable[Record], spec: BoardSpec) -> tuple[RawSection, ...]:
    """Sort records into sections, columns, rows and draws.

    Raises:
        UserErrors: two records of one run, or a metric the records do not hold.
    """
    chosen = select(records, spec)
    labels = _row_labels(chosen)
    faults: list[str] = []
    sections: dict[Setting, list[Record]] = defaultdict(list)
    for record in chosen:
        manifest = record.manifest
        sections[manifest["shots"], bool(manifest["chat"]), manifest["limit"]].append(record)
    result = []
    for setting in sorted(sections):
        grouped: dict[str, list[Record]] = defaultdict(list)
        for record in sections[setting]:
            grouped[_column_key(record)].append(record)
        columns = [_column(group, labels, spec, faults) for group in grouped.values()]
        columns.sort(key=lambda raw: _place(raw.column, spec))
        rows = {labels[_row_key(record)]: record for record in reversed(sections[setting])}
        result.append(RawSection(setting, _averaged(columns), dict(sorted(rows.items()))))
    if faults:
        raise UserErrors(sorted(set(faults)))
    return tuple(result)


def _identity(record: Record) -> list[object]:
    manifest = record.manifest
    return [_row_key(record), _column_key(record), manifest["draw"], manifest["limit"]]


def _row_key(record: Record) -> str:
    manifest = record.manifest
    identity = [manifest["model_digest"], manifest["artifact"], manifest["numerics"]]
    return f"{manifest['model']}\x1f{digest(identity)}"


def _column_key(record: Record) -> str:
    keys = ("suite", "task", "task_version", "shots", "chat", "limit", "decoding")
    return digest([record.manifest[key] for key in keys])


def _row_labels(records: Sequence[Record]) -> dict[str, str]:
    """A label for each row: the model's name, with a short digest where it names two rows."""
    keys = sorted({_row_key(record) for record in records})
    names = [key.split("\x1f")[0] for key in keys]
    return {
        key: name if names.count(name) == 1 else f"{name} ({key.split(chr(31))[1][:6]})"
        for key, name in zip(keys, names, strict=True)
    }


def _column(
    group: Sequence[Record], labels: Mapping[str, str], spec: BoardSpec, faults: list[str]
) -> RawColumn:
    manifest = group[0].manifest
    task = manifest["task"]
    metric = spec.metrics.get(task, manifest["main_metric"])
    cells: dict[str, dict[int, Record]] = defaultdict(dict)
    for record in group:
        label, draw = labels[_row_key(record)], record.manifest["draw"]
        if draw in cells[label]:
            faults.append(
                f"two records claim to be {record.manifest['model']} on {task}@"
                f"{record.manifest['shots']}.{draw}; remove one of the two folders."
            )
        if metric not in record.manifest["metrics"]:
            known = ", ".join(sorted(record.manifest["metrics"])) or "none"
            faults.append(
                f"the record of {record.manifest['model']} on {task} has no metric '{metric}', "
                f"which board '{spec.name}' shows (it has: {known}). "
                f"Mend [metrics] of the board or run the task again."
            )
        cells[label][draw] = record
    facts = manifest["metrics"].get(metric, {})
    column = Column(
        task=task,
        version=str(manifest["task_version"]),
        metric=metric,
        decoding=dict(manifest["decoding"]),
        title=manifest["task_title"],
        kind=manifest["task_kind"],
        higher_is_better=bool(facts.get("higher_is_better", True)),
        rank_of=manifest["rank_of"],
        stand_in=manifest["stand_in"],
        n_full=manifest["n_full"],
        redistribute=bool(manifest["redistribute"]),
        in_average=False,
        unit=unit_of([r.manifest["metrics"].get(metric, {}) for r in group]),
    )
    return RawColumn(column, {label: dict(sorted(cells[label].items())) for label in sorted(cells)})


def _place(column: Column, spec: BoardSpec) -> tuple[object, ...]:
    """Declared order, ranking tasks last, then names and versions."""
    declared = spec.tasks.index(column.task) if column.task in spec.tasks else len(spec.tasks)
    order = digest([column.metric, column.decoding])
    return bool(column.rank_of), declared, column.task, _natural(column.version), order


def _natural(version: str) -> list[tuple[int, str]]:
    """10 comes after 9."""
    return [(int(part or 0), text) for part, text in re.findall(r"(\d*)(\D*)", version)]


def _averaged(columns: Sequence[RawColumn]) -> tuple[RawColumn, ...]:
    """Mark the columns that count in the average.

    Ranking tasks ask the same questions again and do not count, nor does what is no
    share: a perplexity and an accuracy have no mean. Of a task's
    several versions or decodings the newest counts, then the one most models have.
    """
    best: dict[str, RawColumn] = {}
    for raw in columns:
        held = best.get(raw.column.task)
        if held is None or _standing(raw) >= _standing(held):
            best[raw.column.task] = raw
    counted = {id(raw) for raw in best.values()}
    return tuple(
        replace(raw, column=replace(raw.column, in_average=True))
        if id(raw) in counted
        and not raw.column.rank_of
        and raw.column.higher_is_better
        and raw.column.unit == "share"
        else raw
        for raw in columns
    )


def _standing(raw: RawColumn) -> tuple[object, ...]:
    return _natural(raw.column.version), len(raw.cells)


__getattr__ = moved_names(__name__)
