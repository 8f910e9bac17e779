"""Passages for a query, over a corpus on disk.

A corpus is JSONL of `id`, `title`, `text`. Its index is built once, keyed by
the corpus's content, and read memory-mapped: passages are fetched from the
corpus file by offset, so neither is ever held whole in memory.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.errors import MissingExtra
from harness.files import digest, sha256_file, write_json
from harness.types import Progress

# Raise when the same corpus would give another index.
INDEX_VERSION = 1


@dataclass(frozen=True)
class Passage:
    """One passage of the corpus; `score` is the retriever's own, higher is nearer."""

    id: str
    title: str
    text: str
    score: float = 0.0


class Retriever(Protocol):
    """Finds passages."""

    def search(self, query: str, k: int) -> Sequence[Passage]:
        """At most `k` passages, nearest first; passages with nothing in common are left out."""
        ...


class Corpus:
    """Passages of a JSONL file by position, read from disk one at a time."""

    def __init__(self, path: Path, offsets: Any) -> None:
        self._path = path
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def get(self, position: int, score: float) -> Passage:
        """The passage in line order, with the score it was found by."""
        with self._path.open("rb") as file:
            file.seek(int(self._offsets[position]))
            row = json.loads(file.readline())
        return Passage(row["id"], row["title"], row["text"], score)


class Bm25:
    """BM25 over a memory-mapped index. Source: Lù 2024, "BM25S" (arXiv 2407.03618)."""

    def __init__(self, corpus: Corpus, index: Any) -> None:
        self._corpus = corpus
        self._index = index

    def search(self, query: str, k: int) -> list[Passage]:
        """At most `k` passages by BM25, equal scores in corpus order."""
        ranked = self.rank(query, k)
        return [self._corpus.get(position, score) for position, score in ranked]

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """Positions and scores of the best `k`, scores above 0 only."""
        import bm25s

        k = min(k, len(self._corpus))
        if k <= 0:
            return []
        tokens = bm25s.tokenize([query], stopwords="en", show_progress=False, return_ids=False)
        known = [[token for token in tokens[0] if token in self._index.vocab_dict]]
        if not known[0]:
            return []
        positions, scores = self._index.retrieve(known, k=k, show_progress=False, n_threads=0)
        pairs = zip(positions[0].tolist(), scores[0].tolist(), strict=True)
        return sorted(((p, s) for p, s in pairs if s > 0), key=lambda pair: (-pair[1], pair[0]))


def open_retriever(kind: str, corpus: Path, cache: Path, progress: Progress) -> Retriever:
    """The retriever `kind` ("bm25") over `corpus`; its index is built under `cache` if missing.

    Raises:
        MissingExtra: bm25s is not installed.
    """
    try:
        import bm25s
        import numpy
    except ImportError as error:
        raise MissingExtra("bm25s", "retrieval", "Retrieval") from error
    key = digest([kind, INDEX_VERSION, bm25s.__version__, sha256_file(corpus)])[:16]
    folder = cache / f"{kind}-{key}"
    if not (folder / "index.json").is_file():
        _build_bm25(corpus, folder, progress)
    offsets = numpy.load(folder / "offsets.npy", mmap_mode="r")
    index = bm25s.BM25.load(folder / "bm25", mmap=True)
    return Bm25(Corpus(corpus, offsets), index)


def _build_bm25(corpus: Path, folder: Path, progress: Progress) -> None:
    """Build in a folder beside `folder` and rename: an index is whole or not there."""
    import bm25s
    import numpy

    folder.parent.mkdir(parents=True, exist_ok=True)
    offsets: list[int] = []

    def texts() -> Iterator[str]:
        for offset, row in _scan(corpus):
            offsets.append(offset)
            yield f"{row['title']} {row['text']}"

    progress.start("indexing the corpus", corpus.stat().st_size, "bytes")
    tokens = bm25s.tokenize(list(texts()), stopwords="en", show_progress=False)
    index = bm25s.BM25()
    index.index(tokens, show_progress=False)
    progress.advance(corpus.stat().st_size)
    progress.finish()
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        index.save(work / "bm25", show_progress=False)
        numpy.save(work / "offsets.npy", numpy.array(offsets, dtype=numpy.int64))
        write_json(work / "index.json", {"passages": len(offsets), "version": INDEX_VERSION})
        _move_into_place(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _move_into_place(work: Path, folder: Path) -> None:
    """Rename `work` to `folder`; another process that was faster built the same."""
    try:
        os.rename(work, folder)
    except OSError:
        if not (folder / "index.json").is_file():
            raise


def _scan(corpus: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (byte offset, row) of every passage."""
    with corpus.open("rb") as file:
        offset = 0
        for line in file:
            if line.strip():
                yield offset, json.loads(line)
            offset += len(line)
