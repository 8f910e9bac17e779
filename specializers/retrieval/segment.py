"""A chunk of passages indexed by words: which passages have a word, and how often.

One file, memory-mapped: its words as sorted 64-bit hashes, the postings of each
one after the other, and the length of every passage. Nothing in it depends on
other chunks, so chunks are indexed side by side and a chunk that is known by its
content is never indexed twice.

A posting takes 3 bytes: the passage within the chunk and a count. Two words of
one hash would be taken for one; among 10 million words the chance that any two
are is 3 in a million.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from harness.files import write_bytes
from specializers.retrieval.words import Numbered, Words

_MAGIC = b"bm25seg1"
_HEADER = 40  # magic, words, postings, passages, bytes of a count: 8 bytes each
_COUNT_BITS = 16


@dataclass(frozen=True)
class Segment:
    """`keys[i]` (uint64, ascending) is a word's hash; its postings are `starts[i]:starts[i + 1]`.

    `passages` (uint16) and `counts` are the postings, `lengths` (uint32) the words
    of each passage.
    """

    keys: Any
    starts: Any
    passages: Any
    counts: Any
    lengths: Any


def word_key(word: str) -> int:
    """The 64 bits that stand for a word."""
    raw = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


def write_segment(texts: Iterable[str], path: Path, words: Words) -> None:
    """Index texts, at most 65,535 of them, and write the file whole."""
    import numpy

    read = Numbered(words)
    found, lengths = array("I"), array("I")
    for text in texts:
        of_text = read(text)
        lengths.append(len(of_text))
        found.extend(of_text)
    keys = map(word_key, read.numbers)
    hashes = numpy.fromiter(keys, dtype=numpy.uint64, count=len(read.numbers))
    order = numpy.argsort(hashes, kind="stable")
    rank = numpy.empty(len(order), dtype=numpy.uint64)
    rank[order] = numpy.arange(len(order), dtype=numpy.uint64)
    of_passage = numpy.frombuffer(lengths, dtype=numpy.uint32)
    places: Any = rank[numpy.frombuffer(found, dtype=numpy.uint32)] << numpy.uint64(_COUNT_BITS)
    places |= numpy.repeat(numpy.arange(len(lengths), dtype=numpy.uint64), of_passage)
    places.sort()
    places, counts = numpy.unique_counts(places)
    starts = numpy.searchsorted(
        places, numpy.arange(len(order) + 1, dtype=numpy.uint64) << numpy.uint64(_COUNT_BITS)
    )
    size = 1 if not len(counts) or int(counts.max()) < 1 << 8 else 4
    header = numpy.array([len(order), len(places), len(lengths), size], dtype="<u8").tobytes()
    columns = [
        hashes[order].astype("<u8"),
        starts.astype("<u4"),
        of_passage.astype("<u4"),
        counts.astype(f"<u{size}"),
        (places & numpy.uint64((1 << _COUNT_BITS) - 1)).astype("<u2"),
    ]
    blocks = [_MAGIC + header]
    for column in columns:
        content = column.tobytes()
        blocks.append(content + b"\0" * (-len(content) % 8))
    write_bytes(path, b"".join(blocks))


def read_segment(path: Path) -> Segment:
    """Map a file that `write_segment` wrote.

    Raises:
        ValueError: its header states other sizes than it has.
        OSError: it cannot be read.
    """
    import numpy

    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if data[: len(_MAGIC)] != _MAGIC or len(data) < _HEADER:
        raise ValueError(f"{path.name}: no index of words")
    words, postings, passages, size = map(int, numpy.frombuffer(data, "<u8", 4, len(_MAGIC)))
    blocks = (8 * words, 4 * (words + 1), 4 * passages, size * postings, 2 * postings)
    if size not in (1, 4) or len(data) != _HEADER + sum(block + -block % 8 for block in blocks):
        raise ValueError(f"{path.name}: states other sizes than it has")
    at = _HEADER

    def column(kind: str, count: int) -> Any:
        nonlocal at
        values = numpy.frombuffer(data, kind, count, at)
        at += values.nbytes + -values.nbytes % 8
        return values

    keys, starts = column("<u8", words), column("<u4", words + 1)
    lengths, counts = column("<u4", passages), column(f"<u{size}", postings)
    return Segment(keys, starts, column("<u2", postings), counts, lengths)
