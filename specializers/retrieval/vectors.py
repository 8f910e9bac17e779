"""A file of vectors, walked before faiss reads it: what it states is what it holds.

faiss makes room for what a file's header says and reads lists by the lengths that stand in
it. Only the two kinds that `dense.make_index` writes are taken, a flat index and an inverted
file with product quantisation (`IxFI`, `IwPQ` of faiss's `index_write.cpp`); every count is
compared with the passages and with the file's size, and nothing may be left over.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from harness.doors import limits

_INNER_PRODUCT = 0
_BITS = 8  # of a part of a product quantiser


def check_vectors(path: Path, passages: int) -> int:
    """The dimension of a sound index of so many passages.

    Raises:
        ValueError: it is of another kind, states other sizes than it has, or holds more or less.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        walk = _Walk(file, path.stat().st_size)
        kind = walk.bytes(4)
        if kind == b"IxFI":
            dimension = walk.flat(passages)
        elif kind == b"IwPQ":
            dimension = walk.inverted(passages)
        else:
            raise ValueError(f"an index of kind {kind!r}")
        walk.end()
    return dimension


class _Walk:
    """Goes from value to value; nothing longer than a list of lengths is read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def bytes(self, count: int) -> bytes:
        self._fits(count)
        return self._file.read(count)

    def one(self, letter: str) -> Any:
        (value,) = struct.unpack(f"<{letter}", self.bytes(struct.calcsize(f"<{letter}")))
        return value

    def skip(self, count: int) -> None:
        self._fits(count)
        self._file.seek(count, 1)

    def _fits(self, count: int) -> None:
        if not 0 <= count <= self._size - self._file.tell():
            raise ValueError(f"{count} bytes beyond its end")

    def end(self) -> None:
        if left := self._size - self._file.tell():
            raise ValueError(f"{left} bytes too many")

    def same(self, name: str, letter: str, expected: int) -> None:
        if (found := self.one(letter)) != expected:
            raise ValueError(f"{name} {found}, not {expected}")

    def head(self, vectors: int) -> int:
        """What every index begins with; its dimension."""
        dimension = int(self.one("i"))
        if not 0 < dimension <= limits.DIMENSIONS:
            raise ValueError(f"{dimension} dimensions")
        self.same("vectors", "q", vectors)
        self.skip(16)  # two numbers that faiss no longer reads
        self.same("trained", "B", 1)
        self.same("measure", "i", _INNER_PRODUCT)
        return dimension

    def flat(self, vectors: int) -> int:
        dimension = self.head(vectors)
        self.same("numbers", "Q", vectors * dimension)
        self.skip(4 * vectors * dimension)
        return dimension

    def inverted(self, vectors: int) -> int:
        dimension = self.head(vectors)
        lists = int(self.one("Q"))
        if not 0 < lists <= limits.LISTS:
            raise ValueError(f"{lists} lists")
        if not 0 < self.one("Q") <= limits.LISTS:
            raise ValueError("no lists to look at")
        if (kind := self.bytes(4)) != b"IxFI" or self.flat(lists) != dimension:
            raise ValueError(f"centres of kind {kind!r} or another dimension")
        self.same("a map's kind", "b", 0)
        self.same("a map's entries", "Q", 0)
        if self.one("B") > 1:
            raise ValueError("no answer to whether codes are of residuals")
        parts = int(self.one("Q"))  # bytes of a code
        if not 0 < parts <= dimension or dimension % parts:
            raise ValueError(f"codes of {parts} bytes")
        self.same("the quantiser's dimension", "Q", dimension)
        self.same("the quantiser's parts", "Q", parts)
        self.same("the quantiser's bits", "Q", _BITS)
        self.same("the quantiser's numbers", "Q", dimension << _BITS)
        self.skip(4 * (dimension << _BITS))
        self._lists(vectors, lists, parts)
        return dimension

    def _lists(self, vectors: int, lists: int, parts: int) -> None:
        if (kind := self.bytes(4)) != b"ilar":
            raise ValueError(f"lists of kind {kind!r}")
        self.same("lists", "Q", lists)
        self.same("bytes of a code", "Q", parts)
        sizes = self._sizes(lists)
        if any(size > vectors for size in sizes) or sum(sizes) != vectors:
            raise ValueError(f"lists that do not hold {vectors} vectors")
        self.skip(vectors * (parts + 8))

    def _sizes(self, lists: int) -> list[int]:
        kind, count = self.bytes(4), int(self.one("Q"))
        most = lists if kind == b"full" else 2 * lists
        if kind not in (b"full", b"sprs") or count > most or (kind == b"full" and count != lists):
            raise ValueError(f"lengths of kind {kind!r}, {count} of them")
        values = list(struct.unpack(f"<{count}Q", self.bytes(8 * count)))
        if kind == b"full":
            return values
        places, sizes = values[::2], values[1::2]
        if (
            len(places) != len(sizes)
            or len({*places}) != len(places)
            or max(places, default=0) >= lists
        ):
            raise ValueError("lengths of lists that are not there")
        return sizes
