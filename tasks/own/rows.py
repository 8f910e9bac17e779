"""A table of somebody's own -> rows in this project's schema, each fault with its place."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import UserErrors
from tasks.own.columns import (
    READINGS,
    Columns,
    as_text,
    chosen,
    find_columns,
    in_words,
    parts_of,
    read_labels,
)
from tasks.own.files import read_table
from tasks.own.table import few
from tasks.rows import row_faults

# Fewer rows tell nothing.
LEAST = 10
# Labels that are numbers or truth values are hard to write for a model, and to read for us.
_BARE_LABEL = re.compile(r"-?\d+(\.\d+)?|true|false", re.IGNORECASE)
_MENTION = re.compile(r"(?s)(.+) <([^<>]+)>")
# Words of an answer from which on it is a sentence, no phrase.
_SENTENCE = 12
# Shapes whose targets are lists, in a text separated by ";".
_LISTS = ("ner", "qa", "list", "multilabel")
_ONE_OF = ("classification", "relation", "multilabel")
_CLOSED = (*_ONE_OF, "ner")


@dataclass(frozen=True)
class Reading:
    """How a file is to be read, as far as the user says.

    columns: role -> column. labels: `0=no,1=yes`. encoding, sheet: see `read_table`.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: str = ""
    encoding: str = ""
    sheet: str = ""


@dataclass(frozen=True)
class OwnRows:
    """Rows in this project's schema, what their answers are like, and what the user is told.

    train: ids of the rows that the file says are for training; None where it says nothing of parts.
    """

    rows: list[dict[str, Any]]
    like: str
    told: list[str]
    train: frozenset[str] | None = None


def own_rows(path: Path, name: str, like: str, how: Reading) -> OwnRows:
    """The rows of a file; an input that stands twice is taken once.

    Args:
        name: the task's, for the ids of rows that have none.
        like: the shape of the answers; "" takes what they look like.
    Raises:
        UserErrors: what is wrong with the rows, each with file, line and column.
    """
    words = read_labels(how.labels)
    table = read_table(path, encoding=how.encoding, sheet=how.sheet)
    columns, told = find_columns(path, table, how.columns)
    parts, more = parts_of(path, table, columns, bool(how.columns.get("split")))
    if not parts:
        columns = replace(columns, split="")
    told = [*table.told, *told, *more]
    picked = _picked(table.rows, columns)
    told += picked.told
    targets = [in_words(target, words) for target in picked.targets]
    if not like:
        like = shape_of(targets)
        told.append(f"answers look like --like {like}")
    places = [_where(path, place) for place in table.places]
    rows: dict[str, dict[str, Any]] = {}
    faults = _repeated_ids(path, columns, table.rows, table.places)
    train = set[str]()
    twice = 0
    for raw, target, offered, place, where, part in zip(
        table.rows, targets, picked.offered, table.places, places, parts or [""] * len(places),
        strict=True,
    ):  # fmt: skip
        if parts and not part:
            continue
        row = _row(raw, columns, target, f"{name}-{int(place.split()[-1]):04d}", like)
        if offered and isinstance(row["input"], str):
            row["input"] += f"\nOptions: {offered}"
        found = [_in_column(fault, columns) for fault in row_faults(row)]
        found = found or _missing_mentions(row) or _several(row, like) or _unnamed(row, words)
        first = rows.get(row["input"]) if isinstance(row["input"], str) else None
        if not found and first:
            twice += 1
            if first["target"] != row["target"]:
                found = ["the same input as above with another target. Keep one of them."]
        faults += [f"{where}: {fault}" for fault in found]
        if not found:
            kept = rows.setdefault(row["input"], row)
            if part == "train" and kept is row:
                train.add(row["id"])
    if not faults:
        faults = [f"{path}: {fault}" for fault in _as_a_whole(rows, like, train, bool(parts))]
    if faults:
        raise UserErrors(few(path, faults))
    if twice:
        told.append(f"{twice} rows whose input stands twice are taken once")
    told += _labelled(rows.values(), like, words)
    return OwnRows(list(rows.values()), like, told, frozenset(train) if parts else None)


@dataclass(frozen=True)
class _Picked:
    """Answers as texts; what each row lets choose from, where it is to be shown; what is told."""

    targets: list[Any]
    offered: list[str]
    told: list[str]


def _picked(rows: Sequence[Mapping[str, Any]], columns: Columns) -> _Picked:
    """The answers; where they are places among the row's choices, the texts that stand there.

    Choices that differ from row to row are shown with the question.
    """
    targets = [as_text(row.get(columns.target)) for row in rows]
    plain = _Picked(targets, [""] * len(rows), [])
    if not columns.choices or not rows:
        return plain
    found = [
        chosen(target, row.get(columns.choices)) for target, row in zip(targets, rows, strict=True)
    ]
    # One reading holds for the whole file; numbers that are no texts are places.
    numbers = all(isinstance(row.get(columns.target), int) for row in rows)
    order = sorted(READINGS, key=lambda reading: numbers and reading != "the number from 0")
    fitting = [reading for reading in order if all(reading in places for _, places in found)]
    if not fitting:
        return plain  # a column that happens to have this name, or answers of another kind
    picked = [[texts[places[reading]] for texts, places in found] for reading in fitting]
    answers = picked[0]
    offered = ["; ".join(texts) for texts, _ in found]
    told = [
        f"answers are what '{columns.target}' picks from '{columns.choices}' by {fitting[0]} "
        f"({targets[0]} is '{answers[0]:.40}')"
    ]
    told += [
        f"they could be {reading} as well, with other answers"
        for reading, others in zip(fitting[1:], picked[1:], strict=True)
        if others != answers
    ]
    if len(set(offered)) == 1:
        return _Picked(answers, plain.offered, told)
    told.append(f"'{columns.choices}' differ from row to row and are shown with the question")
    return _Picked(answers, offered, told)


def _as_a_whole(
    rows: Mapping[str, Mapping[str, Any]], like: str, train: Collection[str], parted: bool
) -> list[str]:
    """Faults of rows that are sound one by one."""
    if len(rows) < LEAST:
        return [f"{len(rows)} rows, expected {LEAST} or more (50 tell something)."]
    if parted and (left := len(rows) - len(train)) < LEAST:
        return [f"{left} rows to test, expected {LEAST} or more; --split none parts them anew."]
    if like not in _ONE_OF:
        return []
    spelt: dict[str, set[str]] = defaultdict(set)
    for row in rows.values():
        for label in _labels_of(row, like):
            spelt[" ".join(label.casefold().split())].add(label)
    faults = [
        f"labels {', '.join(map(repr, sorted(labels)))} differ in case or spaces alone. Give them "
        f"one word: --labels {','.join(f'{label}={name}' for label in sorted(labels))}"
        for name, labels in spelt.items()
        if len(labels) > 1
    ]
    if like != "multilabel" and len(spelt) == 1:
        (only,) = spelt
        faults.append(
            f"all {len(rows)} rows have the one label '{only}', so there is nothing to tell apart. "
            "Name another column with --target, or the shape of the answers with --like."
        )
    return faults


def shape_of(targets: Sequence[Any]) -> str:
    """What answers look like: one of a few labels, mentions, lists, sentences, or phrases."""
    given = [target for target in targets if target not in (None, "", [])]
    if any(isinstance(target, list) for target in given):
        return "list"
    texts = [str(target).strip() for target in given]
    if not texts:
        return "qa"
    if all(_MENTION.fullmatch(part.strip()) for text in texts for part in text.split(";")):
        return "ner"
    if len(set(texts)) <= max(2, min(20, len(texts) // 3)):
        return "classification"
    return "long" if sum(len(text.split()) for text in texts) >= _SENTENCE * len(texts) else "qa"


def _where(path: Path, place: str) -> str:
    unit, _, number = place.partition(" ")
    return f"{path}:{number}" if unit == "line" else f"{path}, {place}"


def _in_column(fault: str, columns: Columns) -> str:
    """A fault of a row, with the user's name for the column."""
    names = {"input": ", ".join(columns.input), "target": columns.target, "id": columns.id}
    for role, column in names.items():
        if fault.startswith(f"{role} ") and column not in ("", role):
            return f"column '{column}': {fault}"
    return fault


def _repeated_ids(
    path: Path, columns: Columns, rows: Sequence[Mapping[str, Any]], places: Sequence[str]
) -> list[str]:
    """Ids that several rows have."""
    if not columns.id:
        return []
    seen: dict[str, list[str]] = defaultdict(list)
    for raw, place in zip(rows, places, strict=True):
        if (text := _id(raw, columns)) is not None:
            seen[text].append(place)
    return [
        f"{_where(path, where[1])}: id '{text}' is also the id of {where[0]}"
        f"{f' and of {len(where) - 2} more' if len(where) > 2 else ''}; ids are unique. Mend "
        f"column '{columns.id}', or number the rows with --id none; if it names the text that "
        f"rows were cut from, --document {columns.id} --id none."
        for text, where in seen.items()
        if len(where) > 1
    ]


def _id(raw: Mapping[str, Any], columns: Columns) -> str | None:
    value = as_text(raw.get(columns.id)) if columns.id else None
    return value.strip() if isinstance(value, str) and value.strip() else None


def _row(
    raw: Mapping[str, Any], columns: Columns, target: Any, number: str, like: str
) -> dict[str, Any]:
    text = _joined([as_text(raw.get(column)) for column in columns.input])
    if isinstance(target, str) and like in _LISTS:
        target = [part.strip() for part in target.split(";") if part.strip()] or target.strip()
    if like in ("ner", "multilabel") and target in ("", [], ["None"], "None"):
        target = ["None"]
    if like not in _LISTS and isinstance(target, list) and len(target) == 1:
        (target,) = target
    if isinstance(target, str):
        target = target.strip()
    kept = {key: _sound(value) for key, value in raw.items() if key not in columns.used}
    inner = kept.pop("meta", None)
    kept.pop("labels", None)
    meta = kept | (inner if isinstance(inner, dict) else {})
    if columns.document and raw.get(columns.document) not in (None, ""):
        meta["document"] = str(as_text(raw[columns.document]))
    row = {"id": _id(raw, columns) or number, "input": text, "target": target, "meta": meta}
    if like == "ner" and isinstance(text, str) and isinstance(target, list):
        meta["entities"] = _entities(text, target)
    return row


def _joined(parts: Sequence[Any]) -> Any:
    """The input of its columns, one below the other; what is no text stays, to be found."""
    if len(parts) == 1:
        return parts[0].strip() if isinstance(parts[0], str) else parts[0]
    texts: list[str] = []
    for part in parts:
        pieces = part if isinstance(part, list) else [] if part is None else [part]
        if not all(isinstance(piece, str) for piece in pieces):
            return part
        texts += [piece.strip() for piece in pieces if piece.strip()]
    return "\n".join(texts)


def _sound(value: Any) -> Any:
    """A value that is kept beside: JSON knows no number that is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _entities(text: str, targets: Sequence[Any]) -> list[list[Any]]:
    """[mention, type, start, end] of each target that stands in the text, left to right."""
    found, position = [], 0
    for target in targets:
        parts = _MENTION.fullmatch(str(target))
        start = text.find(parts[1], position) if parts else -1
        if parts and start >= 0:
            position = start + len(parts[1])
            found.append([parts[1], parts[2], start, position])
    return found


def _missing_mentions(row: Mapping[str, Any]) -> list[str]:
    if "entities" not in row["meta"] or row["target"] == ["None"]:
        return []
    if len(row["meta"]["entities"]) == len(row["target"]):
        return []
    return [
        f"target is {row['target']!s:.80}, expected 'mention <Type>' for each, with mentions that "
        "stand in the input, in its order."
    ]


def _several(row: Mapping[str, Any], like: str) -> list[str]:
    """Several labels where there is one to name."""
    if like not in ("classification", "relation") or not isinstance(row["target"], list):
        return []
    return [
        f"target is a list of {len(row['target'])}, expected one label. Where several may hold: "
        "--like multilabel."
    ]


def _unnamed(row: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    """Targets that --labels gives no word."""
    given = row["target"] if isinstance(row["target"], list) else [row["target"]]
    left = [text for text in given if words and text not in {*words.values(), "None"}]
    return [f"target '{text}' has no word in --labels. Add {text}=WORD." for text in left]


def _labelled(rows: Any, like: str, words: Mapping[str, str]) -> list[str]:
    """Give each row the inventory of all, and say what is odd about it."""
    if like not in _CLOSED:
        return []
    inventory = sorted({label for row in rows for label in _labels_of(row, like)})
    for row in rows:
        row["labels"] = inventory
    told = [f"labels: {', '.join(inventory):.200}"]
    if bare := [label for label in inventory if _BARE_LABEL.fullmatch(label)]:
        example = ",".join(f"{label}=WORD" for label in bare[:3])
        told.append(f"models answer better in words than {', '.join(bare):.60}: --labels {example}")
    if len(inventory) > len(rows) // 2:
        told.append(f"{len(inventory)} labels for {len(rows)} rows: is it --like qa?")
    if unused := sorted(set(words.values()) - set(inventory)):
        told.append(f"no row has the label {', '.join(unused)}")
    return told


def _labels_of(row: Mapping[str, Any], like: str) -> list[str]:
    if like == "ner":
        return [kind for _, kind, _, _ in row["meta"]["entities"]]
    targets = row["target"] if isinstance(row["target"], list) else [row["target"]]
    return [] if targets == ["None"] and like == "multilabel" else targets
