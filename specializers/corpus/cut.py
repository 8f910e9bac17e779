"""Documents -> passages: whole sentences, up to a number of words, nothing lost or doubled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.types import Json
from specializers.corpus.sentences import sentences

# Raise when the same document would be cut otherwise.
CUTTING_VERSION = 1

_WORD = re.compile(r"\S+")
_PARAGRAPH_END = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Document:
    """What a source holds under one id.

    `text` has one paragraph a line and single blanks; `source` is what a passage
    is credited to; `place` is where a fault would be mended (file and line).
    """

    id: str
    title: str
    text: str
    source: str
    place: str


def one_line(text: str) -> str:
    """The text with every run of blanks and line breaks as one blank."""
    return " ".join(text.split())


def paragraphs(text: str) -> str:
    """The text with one paragraph a line; blank lines part paragraphs, line ends do not."""
    return "\n".join(filter(None, map(one_line, _PARAGRAPH_END.split(text))))


def cut(document: Document, limit: int) -> list[Json]:
    """Rows of the passages: `text` is the document's `text[start:end]`, at most `limit` words.

    A document that fits is one passage under its own id; of others the passages
    are `id#1`, `id#2` ... Passages are of like length rather than full ones and
    a small rest. A sentence over the limit is cut between words.
    """
    spans = _pack(_pieces(document.text, limit), limit)
    names = (
        [document.id] if len(spans) == 1 else [f"{document.id}#{i + 1}" for i in range(len(spans))]
    )
    return [
        {
            "id": name,
            "title": document.title,
            "text": document.text[start:end],
            "source": document.source,
            "document": document.id,
            "start": start,
            "end": end,
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
