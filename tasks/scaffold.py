"""The files of a new suite: a task of one of seven shapes, its card, its rows.

The task's YAML is whole (our template and its base in one), so that the folder
can be passed on; it names functions of `tasks` alone and so needs no trust.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from tasks.cards import Card
from tasks.datasets import in_draw_order
from tasks.own.rows import OwnRows, Reading, own_rows
from tasks.rows import to_row

_HERE = Path(__file__).parent
_SAMPLES = _HERE / "scaffolds"
# A fifth of the rows are shown to models, the rest asked.
_TRAIN_SHARE = 5
# What a card says until somebody edits it: `bench validate` warns of each.
UNEDITED = {"task": "What is asked, in a sentence.", "licence": "not stated"}
_SAMPLE_ROWS = "sample rows, to be replaced"


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


def suite_files(
    name: str, like: str, source: Path | None = None, how: Reading | None = None
) -> tuple[dict[str, str], list[str]]:
    """Path inside the new folder -> text, for the suite of one task; what the user is told.

    Args:
        like: a name in `SHAPES`; "" takes what the answers of the rows look like.
        source: a file of rows (see `tasks.own.files`); None for a few of ours to be replaced.
        how: how it is to be read.
    Raises:
        UserErrors: what is wrong with the rows, each with file and line.
    """
    own = own_rows(source or _SAMPLES / f"{like}.jsonl", name, like, how or Reading())
    shape, rows = SHAPES[own.like], own.rows
    if own.train is None:
        train, test = _in_two(rows, name)
    else:
        train = [row for row in rows if row["id"] in own.train]
        test = [row for row in rows if row["id"] not in own.train]
    labels = rows[0].get("labels", [])
    instruction = shape.instruction.format(
        labels=", ".join(labels), first=labels[0] if labels else ""
    )
    files = {
        f"{name}.yaml": _yaml(name, own.like, instruction),
        f"{name}.card.toml": _card(name, own, len(test), len(train), source),
        f"data/{name}/train.jsonl": _jsonl(train),
        f"data/{name}/test.jsonl": _jsonl(test),
    }
    return files, own.told if source else []


def unedited(card: Card) -> list[str]:
    """What of a card nobody has edited since `bench new` wrote it."""
    left = [f"{key} = {text!r}" for key, text in UNEDITED.items() if getattr(card, key) == text]
    return left + ([f"split = {card.split!r}"] if card.split.startswith(_SAMPLE_ROWS) else [])


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
        raise UserError(
            f"all rows are of one document, '{to_row(rows[0]).document}', so none is left to test. "
            "Add others, or take another column with --document."
        )
    return train, test


# Words that YAML takes for truth values and nothing.
_NO_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


def _yaml(name: str, like: str, instruction: str) -> str:
    shape = SHAPES[like]
    # A name that YAML takes for a number or a truth value stands in quotes.
    odd = name[:1].isdigit() or name.casefold() in _NO_TEXT
    named = json.dumps(name) if odd else name
    own = _text(f"{shape.template}.yaml").replace("include: base.yaml\n", "")
    keys = set(re.findall(r"^(\w+):", own, re.M))
    shared = "".join(
        line
        for line in _text("base.yaml").splitlines(keepends=True)
        if line.partition(":")[0] not in keys
    )
    return (
        f"task: {named}\n# The instruction: it stands once, before the demonstrations.\n"
        f"description: >+\n  {instruction}\n\ndataset_kwargs:\n  dataset: {named}\n"
        f"{'  answers: any' + chr(10) if like == 'qa' else ''}"
        f"metadata:\n  version: 1.0  # raise it, here and on the card, with any change to a score\n"
        f"{shared}{own}"
    )


def _text(template: str) -> str:
    return (_HERE / "templates" / template).read_text(encoding="utf-8")


def _card(name: str, own: OwnRows, n_test: int, n_train: int, source: Path | None) -> str:
    shape = SHAPES[own.like]
    told = f"rows of {source.name}" if source else _SAMPLE_ROWS
    by = "a digest of their ids" if own.train is None else "the file's own parts"
    split = f"{told}: {n_train} for demonstrations by {by}, the rest test"
    return f'''name = "{name}"
title = "{name}"
dataset = "{name}"
task = "{UNEDITED["task"]}"
kind = "{shape.kind}"
version = "1.0"
licence = "{UNEDITED["licence"]}"  # whose rows these are, and what others may do with them
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
