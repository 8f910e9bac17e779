"""Like with like: what rows of one table do not have in common, said.

A table holds what was asked in one way, but a record can differ in more than that:
where the instruction stood, the words of the prompts, the expected answers, the
documents, the engine, numerics and packages. Such rows stay beside each other, and
the difference is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness.files import digest
from harness.record import COLUMN
from harness.types import Record
from leaderboards.board import RecordColumn, RecordTable, Way
from leaderboards.claims.floors import is_floor
from leaderboards.records.prompts import other_words
from leaderboards.shown import listed

FIRST = Way()
_NUMERICS = ("engine", "dtype", "quantisation")


def chat_forms(raw: RecordTable) -> dict[str, str]:
    """Row -> where its instruction stood, if rows of the table differ in it; floors read none."""
    forms: dict[str, set[str]] = defaultdict(set)
    for label, record in _placed(raw):
        if is_floor(record):
            continue
        forms[label].add(str(record.manifest.get("chat_instruction", "") or "unstated"))
    if len({form for found in forms.values() for form in found}) < 2:
        return {}
    return {
        label: f"instruction: {' and '.join(sorted(found))} turn" for label, found in forms.items()
    }


def like_notes(raw: RecordTable, title: str) -> list[str]:
    """What a table's rows differ in beside what it compares."""
    forms = {label: {form} for label, form in chat_forms(raw).items()}
    notes = _told(title, "asked alike", forms)
    for key in _NUMERICS:
        found: dict[str, set[str]] = defaultdict(set)
        for label, record in _placed(raw):
            value = record.manifest["numerics"].get(key)
            found[label].add(f"{key} {value or 'none'}" if value is not None else "")
        notes += _told(title, "run alike", found)
    packages: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for label, record in _placed(raw):
        for name, version in record.manifest["packages"].items():
            packages[name][label].add(f"{name} {version}")
    for name in sorted(packages):
        notes += _told(title, "run with the same packages", packages[name])
    for column in raw.columns:
        notes += _texts(column)
    return [*notes, *_other_words(raw)]


def _other_words(raw: RecordTable) -> Iterator[str]:
    """Rows of a task that stand in a column of their own, since they were asked in other words."""
    columns: dict[object, list[RecordColumn]] = defaultdict(list)
    for one in raw.columns:
        manifest = _any(one).manifest
        columns[digest([manifest[key] for key in COLUMN])].append(one)
    for same in columns.values():
        usual = max(same, key=lambda one: len(one.cells))
        for one in same:
            for label, draws in one.cells.items() if one is not usual else ():
                each = (other_words(_any(usual, draw), draws[draw]) for draw in draws)
                found = next(filter(None, each), None)
                if found:
                    yield (
                        f"{label} on {one.column.task}: {found[1]} of {found[2]} prompts are not "
                        f"those of the other rows, the first that of item {found[0]}; it stands in "
                        "a column of its own and is not compared with them. Run all again with "
                        "one 'bench run'."
                    )


def _any(column: RecordColumn, draw: Way = FIRST) -> Record:
    """A record of a column, of this draw where it has one."""
    for draws in column.cells.values():
        if draw in draws:
            return draws[draw]
    return next(iter(next(iter(column.cells.values())).values()))


def _placed(raw: RecordTable) -> Iterator[tuple[str, Record]]:
    for column in raw.columns:
        for label, draws in column.cells.items():
            for record in draws.values():
                yield label, record


def _told(title: str, what: str, found: Mapping[str, set[str]]) -> list[str]:
    """One note of who has which value; [] if all that say one have the same."""
    by_value: dict[str, list[str]] = defaultdict(list)
    for label, values in sorted(found.items()):
        stated = sorted(values - {""})
        if stated:
            by_value[" and ".join(stated)].append(label)
    if len(by_value) < 2:
        return []
    parts = "; ".join(f"{value}: {listed(labels)}" for value, labels in sorted(by_value.items()))
    return [f"{title}: not all rows were {what}. {parts}."]


Read = Callable[[Mapping[str, Any]], object]


def _target(item: Mapping[str, Any]) -> object:
    return item.get("target")


def _document(item: Mapping[str, Any]) -> object:
    return item["document"]


def _prompt(item: Mapping[str, Any]) -> object:
    """None for a prompt that was cut to fit: it differs on purpose."""
    return None if item.get("cut_tokens") else item.get("prompt_sha256")


def _texts(raw: RecordColumn) -> Iterator[str]:
    """Rows whose items, expected answers, documents or prompts are not the others'."""
    task, every = raw.column.task, list(raw.cells)
    for what, read in (("expected answers", _target), ("documents", _document)):
        for label, differing, shared in _apart(raw, every, read):
            yield (
                f"{label} on {task}: {differing} of {shared} {what} are not those of the other "
                "rows; it may be another test set."
            )
    counts = {
        label: len({item["id"] for record in draws.values() for item in record.items})
        for label, draws in raw.cells.items()
    }
    yield from _strangers(raw)
    most = max(counts.values())
    for label, count in counts.items():
        if count < most:
            yield f"{label} on {task}: {count} items, where others were asked {most}."
    for labels in _asked_alike(raw):
        for label, differing, shared in _apart(raw, labels, _prompt):
            yield (
                f"{label} on {task}: {differing} of {shared} prompts are not those of the other "
                "rows."
            )


def _strangers(raw: RecordColumn) -> Iterator[str]:
    """Rows asked items that no other row was, where other rows have some that they lack."""
    asked = {
        label: {item["id"] for record in draws.values() for item in record.items}
        for label, draws in raw.cells.items()
    }
    times = Counter(name for names in asked.values() for name in names)
    for label, names in asked.items() if len(asked) > 1 else ():
        alone = sum(times[name] == 1 for name in names)
        if alone and len(times) > len(names):
            yield (
                f"{label} on {raw.column.task}: {alone} of {len(names)} items were asked of no "
                "other row, and count in no comparison."
            )


def _asked_alike(raw: RecordColumn) -> list[list[str]]:
    """Own rows whose prompts must be equal.

    A template wraps prompts in a model's own marks: with one, only rows over the same
    weights are compared. A specializer that rewrites prompts changes them on purpose.
    """
    groups: dict[object, list[str]] = defaultdict(list)
    for label, draws in raw.cells.items():
        manifest = next(iter(draws.values())).manifest
        rewrites = manifest["specializer"] and "training" not in manifest["artifact_facts"]
        if not manifest.get("origin") and not rewrites:
            form = (manifest["model_digest"], manifest.get("chat_instruction"))
            groups[form if manifest["chat"] else ""].append(label)
    return list(groups.values())


def _apart(raw: RecordColumn, labels: Sequence[str], read: Read) -> Iterator[tuple[str, int, int]]:
    """Row, on how many items it has another value than most rows, on how many it has one.

    Of values that equally many have, the first row's is the usual one.
    """
    columns = {
        (label, draw): [(item["id"], read(item)) for item in record.items]
        for label in labels
        for draw, record in raw.cells[label].items()
    }
    first: dict[Way, list[tuple[str, object]]] = {}
    if all(values == first.setdefault(draw, values) for (_, draw), values in columns.items()):
        return
    seen: dict[tuple[Way, str], Counter[str]] = defaultdict(Counter)
    for (_, draw), values in columns.items():
        for name, value in values:
            if value is not None:
                seen[draw, name][repr(value)] += 1
    usual = {place: counts.most_common(1)[0][0] for place, counts in seen.items()}
    for label in labels:
        found = [
            repr(value) == usual[draw, name]
            for draw in raw.cells[label]
            for name, value in columns[label, draw]
            if value is not None
        ]
        if not all(found):
            yield label, found.count(False), len(found)
