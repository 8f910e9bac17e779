"""Where each passage of a JSONL begins, and the file in chunks known by their content.

A chunk is a run of whole lines that ends where the lines' own bytes say so: what
is derived from it is found again when passages were added elsewhere, and only
the chunks with changed lines are worked on anew.
"""

from __future__ import annotations

import hashlib
import io
import re
import zlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes
from harness.errors import UserError
from harness.files import write_bytes, write_json
from harness.types import Progress

OFFSETS = "offsets.npy"
LAYOUT = "layout.json"
_FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{32}")
# Positions in a chunk fit 16 bits; its words, 8 bytes each, about 60 MB.
LEAST_ROWS, MOST_ROWS = 16_384, 65_535
_COPIED = 1 << 24  # bytes at a time
_ENDS_IN = 8_192  # lines, on average, from `LEAST_ROWS` on


@dataclass(frozen=True)
class Chunk:
    """Passages `start` to `start + count`; `digest` is of their lines."""

    start: int
    count: int
    digest: str


class LayoutWriter:
    """Lines, one after the other -> offsets and chunks. `end` is the size of what was added."""

    def __init__(self) -> None:
        self.end = 0
        self._offsets = array("q")
        self._chunks: list[tuple[int, str]] = []
        self._rows, self._hash = 0, blake2b(digest_size=16)

    def add(self, line: bytes) -> None:
        """One line with its line end; blank ones are no passages."""
        if line.strip():
            self._offsets.append(self.end)
            self._hash.update(line if line.endswith(b"\n") else line + b"\n")
            self._rows += 1
            ends = self._rows >= LEAST_ROWS and zlib.crc32(line) % _ENDS_IN == 0
            if ends or self._rows == MOST_ROWS:
                self._close()
        self.end += len(line)

    @property
    def between(self) -> bool:
        """Whether the next line begins a chunk."""
        return not self._rows

    def take(self, offsets: Any, size: int, digest: str) -> None:
        """A whole chunk as it lay in another file, where its lines began at `offsets`.

        Args:
            size: of the chunk, in bytes.
            digest: of its lines.
        """
        assert self.between
        self._offsets.frombytes((offsets - offsets[0] + self.end).tobytes())
        self._chunks.append((len(offsets), digest))
        self.end += size

    def __len__(self) -> int:
        return len(self._offsets)

    def _close(self) -> None:
        self._chunks.append((self._rows, self._hash.hexdigest()))
        self._rows, self._hash = 0, blake2b(digest_size=16)

    def write(self, root: Path, corpus: str) -> None:
        """Write both files into `root`; `corpus` is the digest of the passages' file."""
        import numpy

        if self._rows:
            self._close()
        offsets = array_bytes(numpy.frombuffer(self._offsets, dtype=numpy.int64))
        write_bytes(root / OFFSETS, offsets)
        write_json(
            root / LAYOUT,
            {
                "format": _FORMAT,
                "corpus": corpus,
                "bytes": self.end,
                "offsets": hashlib.sha256(offsets).hexdigest(),
                "chunks": self._chunks,
            },
        )


def array_bytes(values: Any) -> bytes:
    """An array as a .npy file has it."""
    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, values)
    return buffer.getvalue()


def copy_lines(
    passages: Path,
    offsets: Any,
    chunks: Sequence[Chunk],
    gone: Any,
    layout: LayoutWriter,
    put: Callable[[bytes], object],
    step: Progress,
) -> None:
    """Copy the lines of a file that are not gone; chunks that stay as they are without a look
    inside.

    Args:
        offsets, chunks: the file's layout; it has no blank lines.
        gone: of each line, whether it is left out.
        put: takes the bytes, in order.
    """
    size = passages.stat().st_size
    with passages.open("rb") as file:
        for number, chunk in enumerate(chunks, 1):
            end = chunk.start + chunk.count
            lost = gone[chunk.start : end]
            start, stop = (
                int(offsets[chunk.start]),
                size if end == len(offsets) else int(offsets[end]),
            )
            # The last one may end where the file did, not where its lines say so.
            if layout.between and not lost.any() and number < len(chunks):
                layout.take(offsets[chunk.start : end], stop - start, chunk.digest)
                file.seek(start)
                for at in range(start, stop, _COPIED):
                    put(file.read(min(_COPIED, stop - at)))
            else:
                file.seek(start)
                for leave in lost.tolist():
                    line = file.readline()
                    if not leave:
                        layout.add(line)
                        put(line)
            step.advance(chunk.count)


def read_layout(
    passages: Path, root: Path, corpus: str, say: Callable[[str], None]
) -> tuple[Any, tuple[Chunk, ...]]:
    """Offsets (int64, mapped) and chunks; found in one pass and kept under `root` if need be.

    Args:
        corpus: the digest of `passages`. A layout of another, or a damaged one, is
            told to `say` and made anew.
    """
    found = _read(root, corpus)
    if isinstance(found, str):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock"):
            found = _read(root, corpus)
            if isinstance(found, str):
                if found:
                    say(f"{root / OFFSETS}: {found}; it is made anew.")
                writer = LayoutWriter()
                with passages.open("rb") as file:
                    for line in file:
                        writer.add(line)
                writer.write(root, corpus)
                found = _read(root, corpus)
                assert not isinstance(found, str)
    return found


def _read(root: Path, corpus: str) -> tuple[Any, tuple[Chunk, ...]] | str:
    """What is kept, or what is wrong with it ("": nothing is there)."""
    import numpy

    if not (root / OFFSETS).is_file() and not (root / LAYOUT).is_file():
        return ""
    try:
        kept = parse_json(read_bytes(root / LAYOUT, limits.RECORD_BYTES))
        if kept["format"] != _FORMAT or kept["corpus"] != corpus:
            return "of other passages"
        content = (root / OFFSETS).read_bytes()
        if hashlib.sha256(content).hexdigest() != kept["offsets"]:
            return "damaged"
        chunks, start = list[Chunk](), 0
        for count, digest in kept["chunks"]:
            # Files are named by it.
            if type(count) is not int or count < 1 or not _DIGEST.fullmatch(digest):
                raise ValueError("chunks")
            chunks.append(Chunk(start, count, digest))
            start += count
        offsets = numpy.load(root / OFFSETS, mmap_mode="r", allow_pickle=False)
        if offsets.dtype != numpy.int64 or offsets.shape != (start,) or (offsets < 0).any():
            raise ValueError("offsets")
        return offsets, tuple(chunks)
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return "damaged"
