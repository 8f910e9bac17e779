"""The contracts of retrieval, and what turns a ranking into passages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from harness.files import sync
from specializers.corpus.open import Corpus

# An index folder is whole when it holds this file.
INDEX = "index.json"


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
        """At most `k` passages, nearest first; what no ranking finds is left out."""
        ...


class Ranker(Protocol):
    """Ranks positions of a corpus."""

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """At most `k` (position, score), highest first, equal scores in corpus order."""
        ...


class CorpusRetriever:
    """A ranking over a corpus, as passages."""

    def __init__(self, corpus: Corpus, ranker: Ranker) -> None:
        self._corpus = corpus
        self._ranker = ranker

    def search(self, query: str, k: int) -> list[Passage]:
        """See `Retriever`."""
        found = []
        for position, score in self._ranker.rank(query, k):
            row = self._corpus.row(position)
            found.append(Passage(row["id"], row["title"], row["text"], score))
        return found


def top(scores: Any, k: int) -> list[tuple[int, float]]:
    """The best `k` of an array of scores, those above 0 only, equal scores in order."""
    import numpy

    positions = numpy.flatnonzero(scores > 0)
    if not k > 0:
        return []
    if len(positions) > k:
        bar = numpy.partition(scores[positions], -k)[-k]
        positions = positions[scores[positions] >= bar]
    order = numpy.lexsort((positions, -scores[positions]))[:k]
    return [(int(p), float(scores[p])) for p in positions[order]]


def ensure_index(folder: Path, build: Callable[[Path], None]) -> None:
    """Have `build` fill a folder beside `folder` and rename it, unless it is there.

    One process builds, others wait; the unfinished folder is kept for a killed
    build to go on in.
    """
    if (folder / INDEX).is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / ".lock"):
        if (folder / INDEX).is_file():
            return
        work = folder.with_name(f".{folder.name}.unfinished")
        work.mkdir(exist_ok=True)
        build(work)
        sync(work)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
