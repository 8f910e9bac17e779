"""BM25 over segments on disk. Source: Robertson & Zaragoza 2009, in Lucene's variant.

Scores are those of the formula, in double precision: an index of several
segments ranks as one of all passages would. Equal passages have equal scores to
the last bit. docs/retrieval.md compares this with the libraries that could
stand here and says why none does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.executors.processes import cores, in_processes
from harness.files import digest
from harness.progress import Step
from harness.types import Json, Progress
from specializers.corpus.layout import Chunk
from specializers.corpus.open import Corpus, read_texts
from specializers.retrieval.ranking import Reusable, ensure_index, top
from specializers.retrieval.segment import Segment, read_segment, word_key, write_segment
from specializers.retrieval.words import WORDS_VERSION, Words

K1, B = 1.5, 0.75


class Bm25:
    """Lucene's variant: idf = ln(1 + (n - df + 0.5) / (df + 0.5)), tf / (tf + norm)."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._words = Words()
        self._passages = sum(len(segment.lengths) for segment in segments)
        total = sum(int(segment.lengths.sum(dtype="u8")) for segment in segments)
        self._mean = total / self._passages if total else 1.0

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Ranker`; passages with no word of the query are left out."""
        import numpy

        asked = Counter(map(word_key, self._words(query)))
        if not asked or k <= 0:
            return []
        keys = numpy.array(sorted(asked), dtype=numpy.uint64)
        times = numpy.array([asked[key] for key in keys.tolist()], dtype=numpy.float64)
        spans = [_spans(segment, keys) for segment in self._segments]
        having = sum(stops - starts for starts, stops in spans)
        idf = numpy.log1p((self._passages - having + 0.5) / (having + 0.5)) * times
        best: list[tuple[int, float]] = []
        base = 0
        for segment, (starts, stops) in zip(self._segments, spans, strict=True):
            scores = self._scores(segment, starts, stops, idf)
            best += [(base + position, score) for position, score in top(scores, k)]
            base += len(segment.lengths)
        return sorted(best, key=lambda pair: (-pair[1], pair[0]))[:k]

    def _scores(self, segment: Segment, starts: Any, stops: Any, idf: Any) -> Any:
        """Of every passage of a segment, words in the order of their keys."""
        import numpy

        there = numpy.flatnonzero(stops > starts)
        slices = [slice(starts[i], stops[i]) for i in there.tolist()]
        if not slices:
            return numpy.zeros(len(segment.lengths))
        passages = numpy.concatenate([segment.passages[part] for part in slices])
        counts = numpy.concatenate([segment.counts[part] for part in slices]).astype(float)
        weights = numpy.repeat(idf[there], (stops - starts)[there])
        if not (passages < len(segment.lengths)).all():
            raise UserError(
                "the corpus's index of words names passages that are not there. Delete the "
                "corpus's folders bm25-*; they are made again."
            )
        norms = K1 * (1 - B + B * segment.lengths / self._mean)
        weights *= counts / (counts + norms[passages])
        return numpy.bincount(passages, weights, len(segment.lengths))


def open_bm25(corpus: Corpus, root: Path, progress: Progress) -> Bm25:
    """The index of the corpus, built under `root` if it is not there.

    Raises:
        MissingExtra: PyStemmer is not installed.
    """
    _words()  # tells of a missing extra before any work
    facts = {"kind": "bm25", "words": WORDS_VERSION, "k1": K1, "b": B}

    def build(work: Path, kept: Reusable) -> Json:
        return {**facts, "passages": len(corpus), "segments": _build(corpus, work, kept, progress)}

    def read(folder: Path, _: Json) -> list[Segment]:
        return [_segment(folder / name, chunk.count) for name, chunk in _named(corpus)]

    folder = root / f"bm25-{digest(facts)[:12]}"
    made = ensure_index(folder, corpus.digest, build, read, progress)
    return Bm25(read(folder, made))


def _named(corpus: Corpus) -> list[tuple[str, Chunk]]:
    return [(f"{chunk.digest}.seg", chunk) for chunk in corpus.chunks]


def _segment(path: Path, count: int) -> Segment:
    """The segment of so many passages.

    Raises:
        ValueError, OSError: it is not.
    """
    found = read_segment(path)
    if len(found.lengths) != count:
        raise ValueError(f"{path.name}: of {len(found.lengths)} passages, not {count}")
    return found


def _is_segment(path: Path, count: int) -> bool:
    try:
        return bool(_segment(path, count))
    except (OSError, ValueError):
        return False


def _build(corpus: Corpus, work: Path, kept: Reusable, progress: Progress) -> list[str]:
    """A segment for each chunk, those that are there taken over; their names in order."""
    missing = {}
    with Step(progress, "indexing words", len(corpus), "passages") as step:
        for name, chunk in _named(corpus):
            there = (work / name).is_file() or kept.take(name, work)
            if there and _is_segment(work / name, chunk.count):
                step.advance(chunk.count)
            elif name not in missing:
                missing[name] = chunk
        jobs = [
            (corpus.path, corpus.offset(chunk.start), chunk.count, work / name)
            for name, chunk in missing.items()
        ]
        for count in in_processes(_index_chunk, jobs, min(cores(), len(jobs))):
            step.advance(count)
    return [name for name, _ in _named(corpus)]


def _index_chunk(job: tuple[Path, int, int, Path]) -> int:
    passages, offset, count, segment = job
    write_segment(read_texts(passages, offset, count), segment, _words())
    return count


@cache
def _words() -> Words:
    return Words()


def _spans(segment: Segment, keys: Any) -> tuple[Any, Any]:
    """Where the postings of each key begin and end; equal where a segment has none."""
    import numpy

    if not len(segment.keys):
        return numpy.zeros(len(keys), numpy.int64), numpy.zeros(len(keys), numpy.int64)
    places = numpy.minimum(numpy.searchsorted(segment.keys, keys), len(segment.keys) - 1)
    starts = segment.starts[places].astype(numpy.int64)
    stops = segment.starts[places + 1].astype(numpy.int64)
    return starts, numpy.where(segment.keys[places] == keys, stops, starts)
