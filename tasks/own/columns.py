"""Which column of a file is the question, which the answer; and its values as texts.

Columns are found by the names that people give them, or named by the user. Labels
may be numbers or truth values; `--labels 0=no,1=yes` gives them words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from harness.errors import UserError, UserErrors
from tasks.own.table import Table

# Names in common use, the surest first: this project's own, then those of the hub's data sets
# and of spreadsheets. Compared without case, spaces and punctuation.
NAMES: Mapping[str, tuple[str, ...]] = {
    "input": ("input", "question", "text", "sentence", "prompt", "query", "utterance", "review",
              "instruction", "request", "content", "message", "statement", "abstract", "passage",
              "problem", "inputs", "questions", "texts"),
    "target": ("target", "answer", "label", "gold", "output", "expected", "response", "class",
               "category", "reference", "completion", "solution", "sentiment", "groundtruth",
               "goldlabel", "correctanswer", "finalanswer", "answers", "targets", "labels", "y"),
    "id": ("id", "uid", "qid", "guid", "uuid", "idx", "questionid", "rowid", "itemid", "key",
           "no", "nr", "number"),
    "document": ("document", "documentid", "docid", "doc", "pmid", "articleid", "article",
                 "sourceid", "group", "groupid"),
    "split": ("split", "subset", "partition"),
    "choices": ("choices", "options", "endings"),
}  # fmt: skip
NONE = "none"
_NEEDED = ("input", "target")


@dataclass(frozen=True)
class Columns:
    """The columns of each role; "" where there is none.

    split: which part a row belongs to. choices: a list, into which the answer may be an index.
    """

    input: tuple[str, ...]
    target: str
    id: str = ""
    document: str = ""
    split: str = ""
    choices: str = ""

    @property
    def used(self) -> set[str]:
        """Every column that has a role."""
        return {*self.input, self.target, self.id, self.document, self.split} - {""}


def find_columns(path: Path, table: Table, named: Mapping[str, str]) -> tuple[Columns, list[str]]:
    """The columns of each role, and what the user should be told of how they were found.

    Args:
        named: role -> column, as the user says; "" leaves it to the names. Several columns,
            separated by commas, make one input. "none": there is none (not of input and target).
    Raises:
        UserErrors: columns that are not there, or none for the question or the answer.
    """
    faults: list[str] = []
    found: dict[str, tuple[str, ...]] = {}
    guessed: list[str] = []
    for role, names in NAMES.items():
        if given := named.get(role, ""):
            found[role] = (
                ()
                if given == NONE and role not in _NEEDED
                else _given(role, given, table, faults, path)
            )
            continue
        taken = {column for columns in found.values() for column in columns}
        column = _by_name([c for c in table.columns if c not in taken], names)
        found[role] = (column,) if column else ()
        if column and column != role:
            guessed.append(f"{role} from '{column}'")
    for role in _NEEDED:
        if not found[role] and not faults:
            faults.append(
                f"{path}: no column {role!r}, and none of a name that is known for it; found "
                f"{', '.join(map(repr, table.columns))}. Name it: --{role} COLUMN."
            )
    if faults:
        read = f" Read so: {'; '.join(table.told)}." if table.told else ""
        raise UserErrors([f"{fault}{read}" for fault in faults])
    first = {role: "".join(columns[:1]) for role, columns in found.items()}
    told = [f"columns: {', '.join(guessed)} (by their names; --input, --target, --id, --document, "
            "--split and --choices take others)"] if guessed else []  # fmt: skip
    del first["input"]
    return Columns(found["input"], **first), told


def _given(role: str, given: str, table: Table, faults: list[str], path: Path) -> tuple[str, ...]:
    """The columns that the user names: exactly, else without regard to case."""
    whole = given if given in table.columns or role != "input" else ""
    names = [whole] if whole else [part.strip() for part in given.split(",")]
    columns = []
    for name in names:
        same = [c for c in table.columns if c == name]
        same = same or [c for c in table.columns if _bare(c) == _bare(name)]
        if len(same) != 1:
            faults.append(
                f"{path}: no column {name!r} (--{role}); found "
                f"{', '.join(map(repr, table.columns))}."
            )
        columns += same[:1]
    return tuple(columns)


def _by_name(columns: Sequence[str], names: Sequence[str]) -> str:
    for name in names:
        for column in columns:
            if _bare(column) == name:
                return column
    return ""


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


PARTS: Mapping[str, str] = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "eval": "test",
    "evaluation": "test", "dev": "validation", "development": "validation", "val": "validation",
    "valid": "validation", "validation": "validation",
}  # fmt: skip


def parts_of(
    path: Path, table: Table, columns: Columns, given: bool
) -> tuple[list[str], list[str]]:
    """ "train", "test" or "" (left out) of each row, none where there are no parts; what is told.

    Validation rows are tested where there are no test rows, and left out where there are.

    Args:
        given: the user named the column: another value than those of `PARTS` is a fault.
    Raises:
        UserErrors: values that name no part.
    """
    if not columns.split:
        return [], []
    said = [str(row.get(columns.split) or "").strip() for row in table.rows]
    parts = [PARTS.get(value.casefold(), "") for value in said]
    if unknown := sorted({value for value, part in zip(said, parts, strict=True) if not part}):
        if not given and 2 * sum(map(bool, parts)) <= len(parts):
            return [], []  # a column that happens to have this name
        raise UserErrors([
            f"{path}: column '{columns.split}' (--split): found {value!r}, expected one of "
            f"{', '.join(PARTS)}. Correct it, or part them anew: --split none."
            for value in unknown[:5]
        ])  # fmt: skip
    counts = {part: parts.count(part) for part in dict.fromkeys(parts)}
    if len(counts) < 2:
        return [], []
    told = ", ".join(f"{count} {part}" for part, count in counts.items())
    told = f"parts by column '{columns.split}': {told}"
    if "test" not in counts:
        return ["test" if part == "validation" else part for part in parts], [
            f"{told}; validation rows are tested"
        ]
    if "validation" in counts:
        told += "; validation rows are left out"
        parts = ["" if part == "validation" else part for part in parts]
    return parts, [told]


# -- values --------------------------------------------------------------------


def read_labels(text: str) -> dict[str, str]:
    """`0=no,1=yes` -> {"0": "no", "1": "yes"}.

    Raises:
        UserError: a part without a value and a word.
    """
    words: dict[str, str] = {}
    for part in text.split(",") if text else []:
        value, sign, word = (piece.strip() for piece in part.partition("="))
        if not sign or not value or not word or value in words:
            raise UserError(
                f"--labels {text}: {part.strip()!r} is not VALUE=WORD of a value of its own. "
                "Expected such as 0=no,1=yes."
            )
        words[value] = word
    return words


def as_text(value: Any) -> Any:
    """A value as a text: 1 for 1.0, true and false as JSON writes them; a list by its parts.

    None and numbers that are none stay what they are: they are no answer.
    """
    if isinstance(value, list):
        return [as_text(part) for part in value]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124
        return str(int(value)) if value.is_integer() else str(value)
    return value


# How an answer may name one of a row's choices.
READINGS = ("the text", "the label", "the number from 0", "the letter")


def chosen(value: Any, choices: Any) -> tuple[list[str], dict[str, int]]:
    """The texts that a row lets choose from, and the place of the answer among them by each of
    `READINGS` that gives one.

    ([], {}) where `choices` is no list. Labels are those that stand beside the texts (`{"text":
    [...], "label": [...]}`, as ARC writes it).
    """
    labels: list[str] = []
    if isinstance(choices, Mapping):
        labels = [str(as_text(label)) for label in choices.get("label") or []]
        choices = choices.get("text")
    if not isinstance(choices, list) or len(choices) < 2:
        return [], {}
    texts = [str(as_text(choice)).strip() for choice in choices]
    answer = str(value).strip()
    named = (texts, labels, [str(n) for n in range(len(texts))], list(ascii_uppercase))
    return texts, {
        reading: names.index(answer)
        for reading, names in zip(READINGS, named, strict=True)
        if answer in names and names.index(answer) < len(texts)
    }


def in_words(value: Any, words: Mapping[str, str]) -> Any:
    """A label, or each of several, by the user's word for it; others stay, to be found at fault."""
    if isinstance(value, list):
        return [in_words(part, words) for part in value]
    if not isinstance(value, str):
        return value
    folded = {key.casefold(): word for key, word in words.items()}
    return words.get(value.strip(), folded.get(value.strip().casefold(), value))
