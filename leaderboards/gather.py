"""Records -> tables: which runs may stand beside each other, and which may not.

A table (section) holds what was asked in one way: the same number of
demonstrations, with or without chat template, the same item limit. Within it a
column is one task of a suite, version, metric and decoding, asked in the same words:
models whose prompts differ stand in two columns and are not compared. Draws of demonstrations
and wordings are pooled in a cell, and so are the makes of a specialised model. A row is
one set of weights under one numerics: two artifacts of one name are two rows
(`leaderboards.records.rows`). A record that cannot be shown is left out and named
(`leaderboards.records.door`).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness import moved_names
from harness.files import digest
from harness.identity.recorded import task_of
from harness.record import column_of
from harness.suites.metrics import unit_of
from harness.types import Record
from leaderboards.board import (
    WORDING,
    Column,
    RecordColumn,
    RecordTable,
    Setting,
    Way,
    way_of,
)
from leaderboards.records.door import in_unit_range, unfit
from leaderboards.records.prompts import asked_alike, prompts_of
from leaderboards.records.rows import row_key, row_labels
from leaderboards.spec import BoardSpec
from tasks.aggregation import AGGREGATIONS


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
        if _split(record, spec)
        and (not spec.suite or record.manifest["suite"] == spec.suite)
        and (not spec.tasks or record.manifest["task"] in spec.tasks)
        and (not spec.shots or record.manifest["shots"] in spec.shots)
        and (not spec.models or record.manifest["model"] in spec.models)
    ]
    # The first make stands for its row; makes have one identity.
    return sorted(chosen, key=lambda record: (way_of(record).make, digest(_identity(record))))


def _split(record: Record, spec: BoardSpec) -> bool:
    """Was the record asked on items of the split that the board shows?"""
    return bool(record.manifest.get("split", "test") == spec.split)


def _of_other_split(record: Record, spec: BoardSpec) -> str:
    found = record.manifest.get("split", "test")
    return (
        f"{record.manifest['model']} on {record.manifest['task']}: asked on items of the {found} "
        f"split; these tables show the {spec.split} split, so it is left out."
    )


def _of_declared_version(record: Record, spec: BoardSpec) -> bool:
    version = str(record.manifest["task_version"])
    return spec.versions.get(record.manifest["task"], version) == version


def gather(
    records: Iterable[Record], spec: BoardSpec, refused: list[str] | None = None
) -> tuple[RecordTable, ...]:
    """Sort records into sections, columns, rows and draws.

    Args:
        refused: gets a message for each record that cannot be shown and is left out.
    """
    records = list(records)
    faults = [_of_other_split(record, spec) for record in records if not _split(record, spec)]
    chosen = select(records, spec)
    columns: dict[tuple[Setting, str], list[Record]] = defaultdict(list)
    contents = _contents(chosen)
    for record in chosen:
        key = _column_key(record)
        columns[_setting(record), key + contents(record)].append(record)
    fit = [
        (setting, part, _metric(group[0], spec), len(parts) > 1)
        for (setting, _), group in columns.items()
        if (kept := _admitted(group, spec, faults))
        for parts in [asked_alike(kept)]
        for part in parts
    ]
    labels = row_labels([record for _, kept, _, _ in fit for record in kept])
    result = []
    for setting in sorted({setting for setting, *_ in fit}):
        groups = [(kept, metric, apart) for own, kept, metric, apart in fit if own == setting]
        raw = [
            _column(kept, metric, labels, prompts_of(kept) if apart else contents(kept[0]))
            for kept, metric, apart in groups
        ]
        raw.sort(key=lambda column: _place(column.column, spec))
        own = {id(record) for kept, *_ in groups for record in kept}
        rows = {labels[row_key(r)]: r for r in reversed(chosen) if id(r) in own}
        result.append(RecordTable(setting, _averaged(raw), dict(sorted(rows.items()))))
    if refused is not None:
        refused += sorted(set(faults))
    return tuple(result)


def shown(sections: Iterable[RecordTable]) -> list[Record]:
    """Every record that stands in a table."""
    return [
        record
        for section in sections
        for raw in section.columns
        for draws in raw.cells.values()
        for record in draws.values()
    ]


def _setting(record: Record) -> Setting:
    manifest = record.manifest
    return manifest["shots"], bool(manifest["chat"]), manifest["limit"]


def _identity(record: Record) -> list[object]:
    manifest = record.manifest
    return [row_key(record), _column_key(record), manifest["draw"], manifest["limit"]]


def _column_key(record: Record) -> str:
    return digest(column_of(record.manifest))


def _contents(records: Sequence[Record]) -> Callable[[Record], str]:
    """What tells two tasks of one name and version apart: the digest of what they are made of.

    A record from before this was kept stands with those of its version, where these are all of
    one content; it says nothing against it.
    """
    said: dict[str, set[str]] = defaultdict(set)
    for record in records:
        said[_column_key(record)].add(task_of(record.manifest))

    def content(record: Record) -> str:
        known = said[_column_key(record)] - {""}
        return task_of(record.manifest) if len(known) > 1 else ""

    return content


def _metric(record: Record, spec: BoardSpec) -> str:
    manifest = record.manifest
    return spec.metrics.get(manifest["task"], str(manifest["main_metric"]))


def _admitted(group: Sequence[Record], spec: BoardSpec, faults: list[str]) -> list[Record]:
    """The records of a column that can be shown; why the others cannot goes to `faults`."""
    having = []
    for record in group:
        manifest, metric = record.manifest, _metric(group[0], spec)
        if metric in manifest["metrics"]:
            having.append(record)
            continue
        known = ", ".join(sorted(manifest["metrics"])) or "none"
        faults.append(
            f"the record of {manifest['model']} on {manifest['task']} has no metric '{metric}', "
            f"which board '{spec.name}' shows (it has: {known}). "
            f"Mend [metrics] of the board or run the task again."
        )
    having = _one_direction(having, _metric(group[0], spec), faults)
    wrong = unfit(having, _metric(group[0], spec))
    faults += wrong.values()
    places: dict[tuple[str, Way], list[Record]] = defaultdict(list)
    for number, record in enumerate(having):
        if number not in wrong:
            places[row_key(record), way_of(record)].append(record)
    for same in places.values():
        if len(same) > 1:
            manifest = same[0].manifest
            where = sorted(str(record.folder) for record in same if record.folder)
            told = f" ({' and '.join(where)})" if where else ""
            faults.append(
                f"two records claim to be {manifest['model']} on {manifest['task']}@"
                f"{manifest['shots']}.{manifest['draw']}{told}; remove one of the two folders."
            )
    return [same[0] for same in places.values() if len(same) == 1]


def _one_direction(records: Sequence[Record], metric: str, faults: list[str]) -> list[Record]:
    """Those that say of a metric what most say: whether more or less of it is better."""

    def higher(record: Record) -> bool:
        return bool(record.manifest["metrics"][metric].get("higher_is_better", True))

    most = 2 * sum(map(higher, records)) >= len(records)
    for record in records:
        if higher(record) is not most:
            manifest = record.manifest
            faults.append(
                f"the record of {manifest['model']} on {manifest['task']} says that "
                f"{'less' if most else 'more'} of '{metric}' is better, the others that "
                f"{'more' if most else 'less'} is. Run the task again with one suite for all."
            )
    return [record for record in records if higher(record) is most]


def _column(
    group: Sequence[Record], metric: str, labels: Mapping[str, str], content: str
) -> RecordColumn:
    """The column of a group.

    Args:
        content: of the task or its prompts, where its version does not tell it apart; else "".
    """
    manifest = group[0].manifest
    task = manifest["task"]
    cells: dict[str, dict[Way, Record]] = defaultdict(dict)
    for record in group:
        cells[labels[row_key(record)]][way_of(record)] = record
    facts = manifest["metrics"][metric]
    unit = unit_of([r.manifest["metrics"][metric] for r in group])
    if unit == "share" and not in_unit_range(group, metric):
        unit = "number"  # records from before units were kept
    column = Column(
        task=task,
        version=str(manifest["task_version"]) + (f"+{content[:6]}" if content else ""),
        metric=metric,
        decoding={**manifest["decoding"], **_choice(manifest)},
        title=manifest["task_title"],
        kind=manifest["task_kind"],
        higher_is_better=bool(facts.get("higher_is_better", True)),
        rank_of=manifest["rank_of"],
        stand_in=manifest["stand_in"],
        n_full=manifest["n_full"],
        redistribute=bool(manifest["redistribute"]),
        in_average=False,
        unit=unit,
        suite=str(manifest["suite"]),
    )
    return RecordColumn(
        column, {label: dict(sorted(cells[label].items())) for label in sorted(cells)}
    )


def _choice(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What tells a column of each model's own best wording from one of the mean over several."""
    return {WORDING: "best"} if manifest.get("wording_items") else {}


def _place(column: Column, spec: BoardSpec) -> tuple[object, ...]:
    """Declared order, ranking tasks last, then names, suites and versions."""
    declared = spec.tasks.index(column.task) if column.task in spec.tasks else len(spec.tasks)
    order = json.dumps([column.metric, column.decoding], sort_keys=True)
    name = (column.task, column.suite)
    return bool(column.rank_of), declared, *name, _natural(column.version), order


def _natural(version: str) -> list[tuple[int, str]]:
    """10 comes after 9."""
    return [(int(part or 0), text) for part, text in re.findall(r"(\d*)(\D*)", version)]


def _averaged(columns: Sequence[RecordColumn]) -> tuple[RecordColumn, ...]:
    """Mark the columns that count in the average.

    Ranking tasks ask the same questions again and do not count, nor does what is no
    share (a perplexity and an accuracy have no mean), of which less is better, or what
    cannot be resampled. Of a task's several versions or decodings the one that most
    models have counts, then the newest, then the first of the columns: one model asked
    otherwise takes no other's average away.
    """
    best: dict[tuple[str, str], RecordColumn] = {}
    for raw in columns:
        name = (raw.column.suite, raw.column.task)
        held = best.get(name)
        if held is None or _standing(raw) > _standing(held):
            best[name] = raw
    counted = {id(raw) for raw in best.values()}
    return tuple(
        replace(raw, column=replace(raw.column, in_average=True))
        if id(raw) in counted
        and not raw.column.rank_of
        and raw.column.higher_is_better
        and raw.column.unit == "share"
        and resampled(raw)
        else raw
        for raw in columns
    )


def resampled(raw: RecordColumn) -> bool:
    """Whether a column's scores are functions of sums over items, and all the same one."""
    named = {
        str(record.manifest["metrics"][raw.column.metric]["aggregation"])
        for draws in raw.cells.values()
        for record in draws.values()
    }
    return len(named) == 1 and named <= set(AGGREGATIONS)


def _standing(raw: RecordColumn) -> tuple[object, ...]:
    return len(raw.cells), _natural(raw.column.version)


__getattr__ = moved_names(__name__)
