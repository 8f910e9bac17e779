"""A table's rows: what they are called, and with which other row each is compared."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from harness.files import digest
from harness.identity.recorded import is_base_of
from harness.leaks.report import LEAKED
from harness.types import Record
from leaderboards.board import RecordTable
from leaderboards.claims.floors import is_floor

# Shown without their name: the value says what it is.
_PLAIN = ("engine", "dtype")
# What a base should have in common with what was made of it, the weightiest first.
_NEAR = ("dtype", "quantisation", "engine", "numerics", "chat form", "packages")
# Differences in these are told; other numerics and packages only decide between equals.
_TOLD = ("dtype", "quantisation", "engine", "chat form")


def row_key(record: Record) -> str:
    """One set of weights under one numerics: what a row is. Makes of one model are one row."""
    manifest = record.manifest
    artifact = manifest.get("make_of", manifest["artifact"])
    identity = [manifest["model_digest"], artifact, manifest["numerics"]]
    return f"{manifest['model']}\x1f{digest(identity)}"


def row_labels(records: Sequence[Record]) -> dict[str, str]:
    """A label for each row: the model's name, with what tells it apart where it names several."""
    facts: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for record in records:
        facts[str(record.manifest["model"])][row_key(record)] = _facts(record)
    labels = {}
    for name, rows in sorted(facts.items()):
        apart = [
            key
            for key in sorted({key for row in rows.values() for key in row}, key=_fact_order)
            if len({row.get(key, "") for row in rows.values()}) > 1
        ]
        for key, row in sorted(rows.items()):
            told = ", ".join(_told(fact, row.get(fact, "")) for fact in apart)
            labels[key] = f"{name} ({told})" if told else name
        for key, label in list(labels.items()):
            if list(labels.values()).count(label) > 1:
                labels[key] = f"{label} ({key.split(chr(31))[1][:6]})"
    return labels


def _facts(record: Record) -> dict[str, str]:
    manifest = record.manifest
    numerics = {str(key): _plain(value) for key, value in manifest["numerics"].items()}
    return numerics | {
        "weights": str(manifest["model_digest"])[:6],
        "artifact": str(manifest.get("make_of", manifest["artifact"]))[:6],
    }


def _fact_order(key: str) -> tuple[bool, int, str]:
    place = _PLAIN.index(key) if key in _PLAIN else len(_PLAIN)
    return key in ("weights", "artifact"), place, key


def _told(key: str, value: str) -> str:
    if key in _PLAIN:
        return value or f"no {key}"
    return f"{key.replace('_', ' ')} {value}" if value else f"no {key.replace('_', ' ')}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def compared_with(raw: RecordTable, baseline: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Row -> the row it is compared with, and in what the two are not alike.

    A specialised model is compared with its base: the row of its very weights, with the same
    dtype, quantisation, engine, other numerics, chat form and packages. Where none has all of
    these it is the one that has the first of them, in this order; of equals, one of the
    base's name, then the first by its numerics as text. A row of the base's name with other
    weights is not its base. Other models are compared with the board's baseline, by the same
    rule without the weights. A row that has none of the same tasks is compared with only if
    no other is there.
    """
    rows = raw.rows
    have = {
        label: {n for n, column in enumerate(raw.columns) if label in column.cells}
        for label in rows
    }
    result = {}
    for label, record in rows.items():
        manifest = record.manifest
        made = bool(manifest["specializer"])
        if is_floor(record):
            continue
        wanted = manifest["base"] if made else baseline
        candidates = {
            other: _unlike(record, entry)
            for other, entry in rows.items()
            if other != label
            if (is_base_of(entry.manifest, manifest) if made else entry.manifest["model"] == wanted)
        }
        if candidates and (made or manifest["model"] != baseline):
            order = {
                other: (
                    not have[label] & have[other],
                    [name in unlike for name in _NEAR],
                    rows[other].manifest["model"] != wanted,
                    json.dumps(rows[other].manifest["numerics"], sort_keys=True),
                    other,
                )
                for other, unlike in candidates.items()
            }
            nearest = min(order, key=lambda other: order[other])
            result[label] = (nearest, told_unlike(record, rows[nearest]))
    return result


def told_unlike(record: Record, other: Record) -> tuple[str, ...]:
    """In what two rows were not run alike, of what is told beside a difference."""
    unlike = _unlike(record, other)
    return tuple(unlike[name] for name in _TOLD if name in unlike)


def leaked_ids(record: Record) -> frozenset[str]:
    """The items of a record that were found in what its model was made from."""
    return frozenset(item["id"] for item in record.items if LEAKED in item.get("flags", ()))


def without_base(raw: RecordTable) -> list[tuple[str, str, bool]]:
    """Specialised rows whose base is not here: its name, and whether that stands for other weights.

    An adapter whose base is not named is left out.
    """
    rows = raw.rows
    names = {entry.manifest["model"] for entry in rows.values()}
    return [
        (label, str(record.manifest["base"]), record.manifest["base"] in names)
        for label, record in rows.items()
        if record.manifest["specializer"]
        and record.manifest["base"]
        and not any(is_base_of(entry.manifest, record.manifest) for entry in rows.values())
    ]


def _unlike(record: Record, other: Record) -> dict[str, str]:
    """Name -> in words, of each in which two rows differ."""
    mine, theirs = record.manifest, other.manifest
    found = {}
    for name in ("dtype", "quantisation", "engine"):
        ours, its = (str(side["numerics"].get(name, "")) for side in (mine, theirs))
        if ours != its:
            found[name] = f"{name} {its or 'none'}, not {ours or 'none'}"
    if mine["numerics"] != theirs["numerics"]:
        found["numerics"] = "other numerics"
    forms = [str(side.get("chat_instruction", "")) for side in (mine, theirs)]
    if forms[0] != forms[1]:
        found["chat form"] = f"instruction in the {forms[1]} turn, not the {forms[0]} turn"
    if mine["packages"] != theirs["packages"]:
        found["packages"] = "other packages"
    return found
