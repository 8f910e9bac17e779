"""Documents -> passages: whole sentences, up to a number of words, nothing lost or doubled.

Here too is what a document is, and how its text is made whole before anything reads it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.types import Json
from specializers.corpus.sentences import sentences

# Raise when the same document would be cut otherwise.
CUTTING_VERSION = 2

_WORD = re.compile(r"\S+")
_PARAGRAPH_END = re.compile(r"\n\s*\n")


# A run this long without a blank or a sentence's end is no text: a sequence, an image in base64.
LONGEST_RUN = 20_000

_SURROGATE = re.compile("[\ud800-\udfff]")
_INLINE = re.compile(
    r"</?(?:i|b|em|strong|sub|sup|u|span|a|small|font|sc|italic|bold|xref|(?:jats|mml|xhtml):\w+)"
    r"(?:\s[^<>]*)?/?>",
    re.I,
)
_BLOCK = re.compile(
    r"</?(?:p|br|div|h[1-6]|ul|ol|li|table|tr|td|th|thead|tbody|section|abstracttext|title)"
    r"(?:\s[^<>]*)?/?>",
    re.I,
)


@dataclass(frozen=True)
class Document:
    """What a source holds under one id.

    `text` has one paragraph a line and single blanks; `source` is what a passage
    is credited to; `place` is where a fault would be mended (file and line);
    `meta` has the row's other keys, plain values only.
    """

    id: str
    title: str
    text: str
    source: str
    place: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """A row that is no document: where it stands, and what is wrong with it."""

    place: str
    why: str


def repaired(text: str) -> str:
    """The text as it was meant: no mark-up, entities, lone surrogates and byte order marks.

    Halves of a pair that were written apart (CESU-8) are joined; a half alone is U+FFFD.
    """
    if not text.isascii():
        text = text.replace("\ufeff", "")
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _BLOCK.sub("\n", _INLINE.sub("", text))
    return text.replace("\0", "\ufffd")


def broken(text: str) -> bool:
    """Whether it holds halves of characters or NUL, which `repaired` joins or replaces."""
    return "\0" in text or (not text.isascii() and _SURROGATE.search(text) is not None)


def unreadable(text: str) -> str:
    """Why a text is none, or ""."""
    if len(text) <= LONGEST_RUN:
        return ""
    longest = max(map(len, re.split(r"[\s。！？]+", text)))
    if longest <= LONGEST_RUN:
        return ""
    return f"holds {longest:,} characters without a blank; expected text."


def one_line(text: str) -> str:
    """The text with every run of blanks and line breaks as one blank."""
    return " ".join(text.split())


def paragraphs(text: str) -> str:
    """The text with one paragraph a line; blank lines part paragraphs, line ends do not."""
    if "\n" not in text:
        return one_line(text)
    return "\n".join(filter(None, map(one_line, _PARAGRAPH_END.split(text))))


def cut(document: Document, limit: int) -> list[Json]:
    """Rows of the passages: `text` is the document's `text[start:end]`, at most `limit` words.

    A document that fits is one passage under its own id; of others the passages
    are `id#1`, `id#2` ...; a `#` of the id itself is written twice, so that no two
    passages can have one name. Passages are of like length rather than full ones and
    a small rest. A sentence over the limit is cut between words.
    """
    spans = _pack(_pieces(document.text, limit), limit)
    own = document.id.replace("#", "##")
    names = [own] if len(spans) == 1 else [f"{own}#{i + 1}" for i in range(len(spans))]
    meta = {"meta": dict(document.meta)} if document.meta else {}
    return [
        {
            "id": name,
            "title": document.title,
            "text": document.text[start:end],
            "source": document.source,
            "document": document.id,
            "start": start,
            "end": end,
            **meta,
        }
        for name, (start, end) in zip(names, spans, strict=True)
    ]


def _pieces(text: str, limit: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, words) of the sentences; one over the limit in even parts."""
    for start, end in sentences(text):
        count = len(text[start:end].split())
        if count <= limit:
            yield start, end, count
            continue
        words = [(start + m.start(), start + m.end()) for m in _WORD.finditer(text[start:end])]
        parts = -(-len(words) // limit)
        for part in range(parts):
            some = words[part * len(words) // parts : (part + 1) * len(words) // parts]
            yield some[0][0], some[-1][1], len(some)


def _pack(pieces: Iterator[tuple[int, int, int]], limit: int) -> list[tuple[int, int]]:
    """Join neighbouring pieces into as few spans as their words need, of like length."""
    every: Sequence[tuple[int, int, int]] = list(pieces)
    total = sum(count for _, _, count in every)
    wanted = total / max(1, -(-total // limit))
    spans: list[tuple[int, int]] = []
    held = 0  # words of the open, last span; 0 when a new one begins
    for start, end, count in every:
        if held and held + count <= limit:
            spans[-1] = (spans[-1][0], end)
            held += count
        else:
            spans.append((start, end))
            held = count
        if held >= wanted:
            held = 0
    return spans
