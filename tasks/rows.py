"""The one row schema: `{"id", "input", "target", "labels", "meta"}`, a JSON object a line.

A row is checked when it is read, wherever it comes from: a suite's own folder,
a local mirror or a fetched origin. All faults of a file are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.doors.files import read_jsonl
from harness.errors import UserErrors

# A file that is wrong throughout is told by its first faults.
_FAULTS_SHOWN = 20
_MENTION = re.compile(r"(?s)\S.* <([^<>]+)>")
_KEYS = {"id", "input", "target", "labels", "meta"}


@dataclass(frozen=True)
class Row:
    """One item.

    Attributes:
        target: the gold answers; ("None",) where there is nothing to find.
        labels: the closed inventory, for mentions that of their types; may be empty.
        document: rows of one document are resampled together; the id if it is alone.
        is_list: whether the target was written as a list.
        is_ner: whether targets are "mention <Type>".
    """

    id: str
    input: str
    target: tuple[str, ...]
    labels: tuple[str, ...]
    document: str
    meta: Mapping[str, Any]
    is_list: bool = False
    is_ner: bool = False


def read_rows(path: Path) -> list[Row]:
    """Read a file of rows.

    Raises:
        UserErrors: faulty lines, one message each, naming file and line.
    """
    rows: list[Row] = []
    faults: list[str] = []
    lines: dict[str, int] = {}
    try:
        for number, raw in _numbered(path):
            found = row_faults(raw)
            name = raw.get("id")
            if not found and isinstance(name, str) and name in lines:
                found = [f"id '{name}' is also the id of line {lines[name]}; ids are unique."]
            if found:
                faults += [f"{path}:{number}: {fault}" for fault in found]
                continue
            lines[raw["id"]] = number
            rows.append(to_row(raw))
    except UnicodeDecodeError as error:
        faults.append(f"{path}: not UTF-8 ({error.reason} in byte {error.start}). Save it so.")
    except ValueError as error:
        faults.append(str(error))
    if faults:
        hidden = len(faults) - _FAULTS_SHOWN
        more = [f"{path}: {hidden} more faults."] if hidden > 0 else []
        raise UserErrors([*faults[:_FAULTS_SHOWN], *more])
    return rows


def row_faults(raw: Mapping[str, Any]) -> list[str]:
    """What is wrong with a row, in words; empty if nothing is."""
    faults = [
        f"{key} is {raw.get(key)!r:.60}, expected a text that is not empty."
        for key in ("id", "input")
        if not isinstance(raw.get(key), str) or not raw[key].strip()
    ]
    target = raw.get("target")
    is_list = isinstance(target, list)
    given: list[Any] = target if isinstance(target, list) else [target]
    targets = [t for t in given if isinstance(t, str) and t.strip()]
    if not targets or len(targets) < len(given):
        faults.append(f"target is {target!r:.60}, expected a text or a list of texts.")
    labels = raw.get("labels", [])
    if not isinstance(labels, list) or any(not isinstance(label, str) for label in labels):
        faults.append(f"labels is {labels!r:.60}, expected a list of texts.")
        labels = []
    elif len(set(labels)) != len(labels):
        faults.append("labels holds a label twice.")
    meta = raw.get("meta", {})
    if not isinstance(meta, dict):
        faults.append(f"meta is {meta!r:.60}, expected an object.")
        meta = {}
    if unknown := sorted(set(raw) - _KEYS):
        faults.append(f"unknown keys {unknown}; a row has {sorted(_KEYS)}.")
    if labels:
        faults += _label_faults(targets, labels, is_ner="entities" in meta, is_list=is_list)
    return faults


def _label_faults(
    targets: list[str], labels: list[str], *, is_ner: bool, is_list: bool
) -> list[str]:
    if targets == ["None"] and (is_ner or is_list):
        return []
    faults = []
    for target in targets:
        label = target
        if is_ner:
            mention = _MENTION.fullmatch(target)
            if mention is None:
                faults.append(f"target {target!r:.60} is not of the form 'mention <Type>'.")
                continue
            label = mention[1]
        if label not in labels:
            faults.append(f"target '{label}' is not among the labels {labels!s:.120}.")
    return faults


def to_row(raw: Mapping[str, Any]) -> Row:
    """A checked JSON object -> Row."""
    target, meta = raw["target"], raw.get("meta", {})
    return Row(
        id=raw["id"],
        input=raw["input"],
        target=tuple(target) if isinstance(target, list) else (target,),
        labels=tuple(raw.get("labels", [])),
        document=_document(raw["id"], meta),
        meta=meta,
        is_list=isinstance(target, list),
        is_ner="entities" in meta,
    )


def _document(name: str, meta: Mapping[str, Any]) -> str:
    """The document a row was cut from, as far as the row tells."""
    if "document" in meta:
        return str(meta["document"])
    if "pmid" in meta:
        return f"pmid:{meta['pmid']}"
    if "pair_id" in meta:  # DDI-MedLine.d194.s0.p0
        return str(meta["pair_id"]).rsplit(".", 2)[0]
    return name


def _numbered(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Rows with their line numbers; blank lines count but hold no row."""
    with path.open(encoding="utf-8") as file:
        numbers = [number for number, line in enumerate(file, 1) if line.strip()]
    return list(zip(numbers, read_jsonl(path), strict=True))
