"""The files of a new suite: a task of one of seven shapes, its card, its rows.

The task's YAML is whole (our template and its base in one), so that the folder
can be passed on; it names functions of `tasks` alone and so needs no trust.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError, UserErrors
from harness.files import read_jsonl
from tasks.datasets import in_draw_order
from tasks.rows import row_faults, to_row

_HERE = Path(__file__).parent
_SAMPLES = _HERE / "scaffolds"
# A fifth of the rows are shown to models, the rest asked; fewer rows tell nothing.
_TRAIN_SHARE, _LEAST = 5, 10


@dataclass(frozen=True)
class Shape:
    """What a task of one shape is made of; `labels`: it has a closed inventory."""

    template: str
    kind: str
    main_metric: str
    instruction: str
    scoring: str
    labels: bool = False


_LABEL = "The one label named in the answer; two labels or none are unparseable and score 0."
SHAPES: Mapping[str, Shape] = {
    "classification": Shape(
        "label", "classification", "macro_f1",
        "Decide which label fits the text. Answer with one of: {labels}.", _LABEL, True,
    ),
    "relation": Shape(
        "label", "relation", "macro_f1",
        "Decide which relation the context states. Answer with one of: {labels}.", _LABEL, True,
    ),
    "ner": Shape(
        "ner", "ner", "span_f1",
        "Find every name in the sentence. Copy each exactly as it is written, with its type behind "
        'it in angle brackets, as in "name <{first}>". The types are: {labels}. Keep the order of '
        "the sentence and separate names by commas. If there is none, answer None.",
        "Exact spans with types; micro-F1 over the summed counts of all sentences.", True,
    ),
    "qa": Shape(
        "factoid", "factoid", "token_f1",
        "Answer the question with the shortest phrase that answers it in full.",
        "Token F1 against the best of the accepted answers.",
    ),
    "list": Shape(
        "list", "list", "set_f1",
        "List everything that answers the question, separated by commas.",
        "F1 from the summed counts of items found.",
    ),
    "long": Shape(
        "long", "long", "rougeL",
        "Answer the question in one to three sentences.",
        "ROUGE-L F with stemming against the reference, mean over items.",
    ),
    "multilabel": Shape(
        "multilabel", "multilabel", "multilabel_micro_f1",
        "Which labels fit the sentence? Choose from: {labels}. Separate several by commas. If none "
        "fits, answer None.",
        "All labels named in the answer; micro-F1 over the summed counts.", True,
    ),
}  # fmt: skip


def suite_files(name: str, like: str, source: Path | None = None) -> dict[str, str]:
    """Path inside the new folder -> text, for the suite of one task, `name`.

    Args:
        like: a name in `SHAPES`.
        source: the rows, .csv or .jsonl; None for a few of ours to be replaced.
    Raises:
        UserErrors: what is wrong with the rows, each with file and line.
    """
    shape = SHAPES[like]
    rows = _rows(source or _SAMPLES / f"{like}.jsonl", name, like)
    train, test = _in_two(rows, name)
    labels = rows[0].get("labels", [])
    instruction = shape.instruction.format(
        labels=", ".join(labels), first=labels[0] if labels else ""
    )
    return {
        f"{name}.yaml": _yaml(name, like, instruction),
        f"{name}.card.toml": _card(name, like, len(test), len(train), source),
        f"data/{name}/train.jsonl": _jsonl(train),
        f"data/{name}/test.jsonl": _jsonl(test),
    }


def _rows(path: Path, name: str, like: str) -> list[dict[str, Any]]:
    """The file's rows in this project's schema; an input that stands twice is taken once."""
    rows: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    for line, raw in _read(path):
        if missing := [key for key in ("input", "target") if key not in raw]:
            raise UserError(
                f"{path}: no column {', '.join(map(repr, missing))}; found {sorted(raw)}. Expected "
                "'input' and 'target', and if you like 'id', 'document' and others to keep."
            )
        row, where = _row(raw, name, line, like), f"{path}:{line}"
        found = row_faults(row) or _missing_mentions(row)
        first = rows.get(row["input"])
        if not found and first and first["target"] != row["target"]:
            found = ["the same input as above with another target. Keep one of them."]
        faults += [f"{where}: {fault}" for fault in found]
        rows.setdefault(row["input"], row)
    if not faults and len(rows) < _LEAST:
        faults.append(f"{path}: {len(rows)} rows, expected {_LEAST} or more (50 tell something).")
    if faults:
        raise UserErrors(faults)
    if SHAPES[like].labels:
        inventory = sorted({label for row in rows.values() for label in _labels_of(row, like)})
        for row in rows.values():
            row["labels"] = inventory
    return list(rows.values())


def _read(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Rows with the numbers of their lines (in a CSV: of where they end)."""
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                return [
                    (reader.line_num, {k: v for k, v in row.items() if k and v is not None})
                    for row in reader
                ]
        if path.suffix == ".jsonl":
            return list(enumerate(read_jsonl(path), 1))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}). Expected a file of rows.") from error
    raise UserError(f"{path}: expected a .csv or .jsonl file with the columns input and target.")


def _row(raw: Mapping[str, Any], name: str, line: int, like: str) -> dict[str, Any]:
    target, text = raw["target"], raw["input"]
    if isinstance(target, str) and like in ("ner", "qa", "list", "multilabel"):
        target = [part.strip() for part in target.split(";") if part.strip()] or target.strip()
    if like in ("ner", "multilabel") and target in ("", [], ["None"], "None"):
        target = ["None"]
    if isinstance(target, str):
        target = target.strip()
    meta = {key: raw[key] for key in raw if key not in ("id", "input", "target", "labels", "meta")}
    meta |= raw.get("meta", {})
    row = {
        "id": str(raw.get("id") or f"{name}-{line:04d}"),
        "input": text.strip() if isinstance(text, str) else text,
        "target": target,
        "meta": meta,
    }
    if like == "ner" and isinstance(text, str) and isinstance(target, list):
        meta["entities"] = _entities(row["input"], target)
    return row


def _entities(text: str, targets: Sequence[Any]) -> list[list[Any]]:
    """[mention, type, start, end] of each target that stands in the text, left to right."""
    found, position = [], 0
    for target in targets:
        parts = re.fullmatch(r"(?s)(.+) <([^<>]+)>", str(target))
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


def _labels_of(row: Mapping[str, Any], like: str) -> list[str]:
    if like == "ner":
        return [kind for _, kind, _, _ in row["meta"]["entities"]]
    targets = row["target"] if isinstance(row["target"], list) else [row["target"]]
    return [] if targets == ["None"] and like == "multilabel" else targets


def _in_two(
    rows: Sequence[dict[str, Any]], name: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Demonstrations and test; labels in turn, and no document in both."""
    ordered = in_draw_order([to_row(row) for row in rows], name)
    wanted = max(2, len(rows) // _TRAIN_SHARE)
    documents = {row.document for row in ordered[:wanted]}
    train = [row for row in rows if to_row(row).document in documents]
    test = [row for row in rows if to_row(row).document not in documents]
    if not test:
        raise UserError("all rows are of one document, so none is left to test. Add others.")
    return train, test


def _yaml(name: str, like: str, instruction: str) -> str:
    shape = SHAPES[like]
    own = _text(f"{shape.template}.yaml").replace("include: base.yaml\n", "")
    keys = set(re.findall(r"^(\w+):", own, re.M))
    shared = "".join(
        line
        for line in _text("base.yaml").splitlines(keepends=True)
        if line.partition(":")[0] not in keys
    )
    return (
        f"task: {name}\n# The instruction: it stands once, before the demonstrations.\n"
        f"description: >+\n  {instruction}\n\ndataset_kwargs:\n  dataset: {name}\n"
        f"{'  answers: any' + chr(10) if like == 'qa' else ''}"
        f"metadata:\n  version: 1.0  # raise it, here and on the card, with any change to a score\n"
        f"{shared}{own}"
    )


def _text(template: str) -> str:
    return (_HERE / "templates" / template).read_text(encoding="utf-8")


def _card(name: str, like: str, n_test: int, n_train: int, source: Path | None) -> str:
    shape = SHAPES[like]
    told = f"rows of {source.name}" if source else "sample rows, to be replaced"
    split = f"{told}: {n_train} for demonstrations by a digest of their ids, the rest test"
    return f'''name = "{name}"
title = "{name}"
dataset = "{name}"
task = "What is asked, in a sentence."
kind = "{shape.kind}"
version = "1.0"
licence = "not stated"  # whose rows these are, and what others may do with them
redistribute = false
split = {json.dumps(split)}
n_test = {n_test}
n_train = {n_train}
main_metric = "{shape.main_metric}"
protocol = "Greedy; cut where the next item would begin. {shape.scoring}"
citation = "Not published."
quirks = []

[origin]
kind = "own"
'''


def _jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
