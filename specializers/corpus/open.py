"""A corpus on disk: JSONL of passages, bare or in a folder that `bench corpus build` made.

Passages (`id`, `title`, `text`) are read by byte offset, one at a time. What is
derived from them (offsets, indexes) is kept by their content: beside the
passages in a built folder, else under the machine's cache. The path of a corpus
never counts.
"""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.errors import UserError
from harness.files import cache_folder, sha256_file, write_bytes
from harness.models.folder import file_hashes
from harness.progress import NullProgress
from harness.types import Json
from specializers.corpus.rows import MOST_FAULTS, raise_faults, sound_rows

PASSAGES = "passages.jsonl"
MANIFEST = "manifest.json"
OFFSETS = "offsets.npy"
PASSAGE_KEYS = ("id", "title", "text")


class Corpus:
    """Passages by position, read from disk; only 8 bytes a passage are mapped."""

    def __init__(self, path: Path, offsets: Any) -> None:
        self._path = path
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def row(self, position: int) -> Json:
        """The row in line order."""
        with self._path.open("rb") as file:
            file.seek(int(self._offsets[position]))
            row: Json = json.loads(file.readline())
        return row

    def texts(self, start: int = 0, stop: int | None = None) -> Iterator[str]:
        """What is searched of the passages `start` to `stop`, streamed: title and text."""
        stop = len(self) if stop is None else min(stop, len(self))
        with self._path.open("rb") as file:
            for position in range(start, stop):
                file.seek(int(self._offsets[position]))
                row = json.loads(file.readline())
                yield f"{row['title']} {row['text']}".strip()


def passages_file(corpus: Path) -> Path:
    """The JSONL of a corpus: the file itself, or that of a built folder.

    Raises:
        UserError: nothing there, or a folder that `bench corpus build` did not finish.
    """
    if corpus.is_dir():
        if not (corpus / MANIFEST).is_file():
            raise UserError(
                f"{corpus}: no {MANIFEST} in it; expected a JSONL file or a folder made by 'bench "
                f"corpus build'. An interrupted build goes on with the command that began it."
            )
        return corpus / PASSAGES
    if not corpus.is_file():
        raise UserError(
            f"{corpus}: not found; expected a JSONL file of passages (id, title, text) or a folder "
            f"made by 'bench corpus build'."
        )
    return corpus


def checked_passages(corpus: Path) -> Path:
    """As `passages_file`, and sound.

    Raises:
        UserErrors: `corpus_faults`.
    """
    passages = passages_file(corpus)
    raise_faults(corpus_faults(passages))
    return passages


def built_manifest(passages: Path) -> Json | None:
    """The manifest of the built folder these passages lie in; None for a bare file."""
    path = passages.parent / MANIFEST
    if passages.name != PASSAGES or not path.is_file():
        return None
    manifest: Json = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def content_digest(passages: Path) -> str:
    """SHA-256 of the passages. A built folder's is remembered while the file is unchanged.

    Raises:
        UserError: the passages of a built folder are not those it was built with.
    """
    manifest = built_manifest(passages)
    if manifest is None:
        return sha256_file(passages)
    found = file_hashes(passages.parent, [PASSAGES], cache_folder(), NullProgress())[PASSAGES]
    if found != manifest["passages"]["sha256"]:
        raise UserError(
            f"{passages}: changed since the corpus was built (SHA-256 {found[:12]}, {MANIFEST} "
            f"says {manifest['passages']['sha256'][:12]}). Delete the folder and build it again."
        )
    return found


def index_root(passages: Path, cache: Path) -> Path:
    """Where what is derived from these passages is kept."""
    if built_manifest(passages) is not None:
        content_digest(passages)
        return passages.parent
    return cache / content_digest(passages)[:16]


def open_corpus(passages: Path, root: Path) -> Corpus:
    """The passages, with their offsets found once and kept under `root`."""
    import numpy

    path = root / OFFSETS
    if not path.is_file():
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock"):
            if not path.is_file():
                write_offsets(path, _line_starts(passages))
    return Corpus(passages, numpy.load(path, mmap_mode="r"))


def write_offsets(path: Path, offsets: array[int]) -> None:
    """Keep byte offsets as a NumPy array of int64, written whole."""
    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, numpy.frombuffer(offsets, dtype=numpy.int64))
    write_bytes(path, buffer.getvalue())


def _line_starts(passages: Path) -> array[int]:
    starts = array("q")
    with passages.open("rb") as file:
        offset = 0
        for line in file:
            if line.strip():
                starts.append(offset)
            offset += len(line)
    return starts


def id_key(name: str) -> int:
    """64 bits that stand for an id where holding millions of texts would cost too much."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def corpus_faults(passages: Path) -> list[str]:
    """Everything wrong with a JSONL of passages, in one pass that keeps 8 bytes a passage.

    A file with an id used twice is read again to name the lines. A built folder's
    was checked when it was built, and is what it was (`content_digest`).
    """
    import numpy

    if built_manifest(passages) is not None:
        return []
    faults: list[str] = []
    keys = array("Q")
    for _, row in sound_rows(passages, PASSAGE_KEYS, faults, others=True):
        keys.append(id_key(row["id"]))
    if not keys:
        return faults or [
            f"{passages}: no passages in it; expected at least one (id, title, text)."
        ]
    unique, counts = numpy.unique(numpy.frombuffer(keys, dtype=numpy.uint64), return_counts=True)
    repeated = set(unique[counts > 1][:MOST_FAULTS].tolist())
    first_line: dict[str, int] = {}
    for number, row in sound_rows(passages, PASSAGE_KEYS, [], others=True) if repeated else ():
        if id_key(row["id"]) in repeated:
            first = first_line.setdefault(row["id"], number)
            if first != number:
                faults.append(
                    f"{passages}:{number}: id '{row['id']}' is already used in line {first}."
                )
    return faults
