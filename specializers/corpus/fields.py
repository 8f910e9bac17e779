"""Rows of any keys -> documents: which key holds what, which rows are wanted.

Keys are named by the user, or guessed from names that are common and told.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.types import Json
from specializers.corpus.cut import Bad, Document, one_line, paragraphs, repaired, unreadable

FIRST_LINE = "first-line"  # as a title: the text's own first line
_GUESSES = {
    "id": (
        "id", "_id", "pmid", "pmcid", "uid", "doc_id", "docid", "document_id", "passage_id",
        "paper_id", "corpusid", "cord_uid", "doi", "pubmed_id", "identifier", "key",
    ),
    "text": (
        "text", "abstract", "abstract_text", "abstracttext", "body", "body_text", "content",
        "contents", "passage", "full_text", "fulltext", "article", "document", "sentence", "ab",
    ),
    "title": ("title", "article_title", "articletitle", "headline", "heading", "ti", "name"),
}  # fmt: skip
_LONGEST_META = 1_000  # characters of a key that is kept; longer ones are texts of their own
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, "!=": operator.ne, "==": operator.eq, "=": operator.eq,
    ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_CONDITION = re.compile(r"\s*([\w.\- ]+?)\s*(>=|<=|!=|==|=|>|<|\bcontains\b)\s*(.+?)\s*")


@dataclass(frozen=True)
class Condition:
    """`key operator value`; numbers are compared as numbers, of a list any element counts."""

    key: str
    operator: str
    value: str

    def holds(self, meta: Mapping[str, Any]) -> bool:
        """Whether a document's kept keys meet it; one that lacks the key does not."""
        found = {key.lower(): value for key, value in meta.items()}.get(self.key.lower())
        values = found if isinstance(found, list) else [] if found is None else [found]
        if self.operator == "!=":
            return bool(values) and all(self._compare(value) for value in values)
        return any(self._compare(value) for value in values)

    def _compare(self, value: Any) -> bool:
        if self.operator == "contains":
            return self.value.casefold() in str(value).casefold()
        compare = _OPERATORS[self.operator]
        try:
            return compare(float(value), float(self.value))
        except (TypeError, ValueError):
            return compare(str(value).casefold(), self.value.casefold())


def parse_where(texts: tuple[str, ...]) -> tuple[Condition, ...]:
    """Conditions as they are written: `year >= 2015`, several joined by `and`.

    Raises:
        UserError: one that cannot be read.
    """
    conditions = []
    for part in (part for text in texts for part in re.split(r"\s+and\s+", text, flags=re.I)):
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise UserError(
                f"--where {part!r}: expected KEY OPERATOR VALUE, such as 'year >= 2015' or "
                f"'mesh contains asthma'; operators: {', '.join(_OPERATORS)}, contains."
            )
        conditions.append(Condition(match[1], match[2], match[3].strip("'\"")))
    return tuple(conditions)


def read_ids(path: Path) -> frozenset[str]:
    """Ids, one a line.

    Raises:
        UserError: no such file, or not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a text file of ids, one a line ({error}).") from None
    return frozenset(filter(None, map(str.strip, text.splitlines())))


@dataclass(frozen=True)
class Fields:
    """Which keys of a row hold a document, and which documents are wanted.

    Attributes:
        id, text, title: names of keys; "" is guessed. `title` may be `FIRST_LINE`.
        where: all must hold.
        exclude: ids left out.
    """

    id: str = ""
    text: str = ""
    title: str = ""
    where: tuple[Condition, ...] = ()
    exclude: frozenset[str] = field(default_factory=frozenset)

    def wanted(self, document: Document) -> bool:
        """Whether the document is neither excluded nor fails a condition."""
        if document.id in self.exclude:
            return False
        return all(condition.holds(document.meta) for condition in self.where)

    def found_in(self, keys: tuple[str, ...], path: Path) -> Fields:
        """The same with every name settled for a file with these keys.

        Raises:
            UserError: a named key, or anything that may be a text, is not there.
        """
        given = {"id": self.id, "text": self.text, "title": self.title}
        small = {key.lower(): key for key in reversed(keys)}
        for what, name in given.items():
            if name and name not in keys and not (what == "title" and name == FIRST_LINE):
                raise UserError(
                    f"{path}: no key '{name}' (--{what}); found {', '.join(keys[:12])}."
                )
            if not name:
                guesses = (small[guess] for guess in _GUESSES[what] if guess in small)
                given[what] = next(guesses, "")
        if not given["text"]:
            raise UserError(
                f"{path}: no key that may hold the text; found {', '.join(keys[:12])}. Name it "
                f"with --text KEY, and the id with --id KEY."
            )
        return Fields(**given, where=self.where, exclude=self.exclude)

    def told(self, path: Path) -> str:
        """What was guessed, for the user; "" where the keys are the plain ones."""
        if (self.id, self.text) == ("id", "text") and self.title in ("", "title", FIRST_LINE):
            return ""
        name = f"id from '{self.id}'" if self.id else "ids are file:line"
        title = f", title from '{self.title}'" if self.title else ""
        return f"{path.name}: {name}, text from '{self.text}'{title}"

    def document(self, row: Json, path: Path, number: int) -> Document | Bad:
        """The document of a row, or what is wrong with it."""
        place = f"{path}:{number}"
        name = _name(row.get(self.id)) if self.id else f"{path.name}:{number}"
        if not name:
            return Bad(place, f"'{self.id}' must be an id, found {row.get(self.id)!r}.")
        texts = {}
        for what, key in (("text", self.text), ("title", self.title)):
            value = _in_one(row.get(key, "" if key != self.text else None))
            if value is None and (key in row or what == "title"):
                value = ""
            if not isinstance(value, str):
                found = "nothing" if key not in row else type(value).__name__
                return Bad(place, f"'{key}' must be a text, found {found}.")
            texts[what] = repaired(value)
        if self.title == FIRST_LINE:
            texts["title"], _, texts["text"] = texts["text"].strip().partition("\n")
        if why := unreadable(texts["text"]):
            return Bad(place, f"'{self.text}' {why}")
        source = row.get("source")
        used = {self.id, self.text, self.title, "source"}
        return Document(
            id=name,
            title=one_line(texts["title"]),
            text=paragraphs(texts["text"]),
            source=repaired(source) if isinstance(source, str) and source else path.name,
            place=place,
            meta={key: kept for key in row if key not in used and (kept := _kept(row[key]))},
        )


def _in_one(value: Any) -> Any:
    """A text; of parts, as CORD-19 and S2ORC write them, one below the other; else the value."""
    parts = value if isinstance(value, list) else [value]
    held = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    texts = [text for text in held if isinstance(text, str)]
    return "\n\n".join(texts) if len(texts) == len(parts) else value


def _name(value: Any) -> str:
    """An id as text; whole numbers that a table holds as floats are whole again."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    return repaired(str(value)).strip() if isinstance(value, int | str) else ""


def _kept(value: Any) -> Any:
    """A plain value worth keeping, or None."""
    if isinstance(value, str):
        return repaired(value) if 0 < len(value) <= _LONGEST_META else None
    if isinstance(value, bool | int | float):
        return None if isinstance(value, float) and math.isnan(value) else value
    if isinstance(value, list) and all(isinstance(part, str | int) for part in value):
        return value if sum(len(str(part)) for part in value) <= _LONGEST_META else None
    return None
