"""Dense retrieval: passages as vectors, nearest by cosine; faiss compares every vector.

Up to `EXACT_LIMIT` passages vectors are float32: exact. Above it they are int8, each with
a scale of its own, a quarter of the size. Nothing of a vector depends on the others, so
passages that were embedded before are never embedded again: what is added to a corpus costs
what was added. docs/retrieval.md has what int8 loses and what a query takes, and why there is
no approximate index: embedding is what takes the time, by orders of magnitude.

Passages are embedded in shards; a killed build goes on after its last whole shard.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import read_object
from harness.errors import UserError
from harness.files import digest, write_blocks
from harness.progress import Step
from harness.types import Json, Progress
from specializers.corpus.open import Corpus
from specializers.retrieval.embedding import Embedder, passage_dtype
from specializers.retrieval.nearest import nearest
from specializers.retrieval.ranking import INDEX, Reusable, ensure_index

SHARD = 2048  # passages: a minute or so of work, so that little is lost
EXACT_LIMIT = 200_000
_SAMPLED = 32  # passages, by which the time is told before beginning
_WORTH_TELLING = 1_000  # passages: about half a minute
# Of an index: the vectors, of int8 ones what a step is worth, and the passages' keys.
VECTORS, SCALES, TEXTS = "vectors.npy", "scales.npy", "texts.npy"
_LARGEST = 127
_SHARD_END = ".shard"


class Dense:
    """Cosine of query and passages.

    Args:
        vectors: (passages, dimension), of length 1; float32, or int8 with `scales`.
        scales: (passages,), what a vector's numbers are to be multiplied by; None: nothing.
    """

    def __init__(self, embedder: Embedder, vectors: Any, scales: Any | None) -> None:
        self._embedder, self._vectors, self._scales = embedder, vectors, scales

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Ranker`; every passage has a cosine, so none is left out but for an empty query."""
        if k <= 0 or not query.strip():
            return []
        vector = self._embedder.query(query)
        if vector.shape[1] != self._vectors.shape[1]:
            raise UserError(
                f"the corpus's vectors are of {self._vectors.shape[1]} numbers; expected "
                f"{vector.shape[1]}, as the embedding model '{self._embedder.name}' gives. Delete "
                "the corpus's folders dense-*; they are made again."
            )
        return nearest(self._blocks(), vector, k)

    def _blocks(self) -> Iterator[Any]:
        """The vectors as float32, some thousand at a time."""
        import numpy

        for start in range(0, len(self._vectors), SHARD):
            block = numpy.array(self._vectors[start : start + SHARD], dtype=numpy.float32)
            if self._scales is not None:
                block *= self._scales[start : start + SHARD, None]
            yield block


def open_dense(corpus: Corpus, root: Path, embedder: Embedder, progress: Progress) -> Dense:
    """The vectors of the corpus by this model, made under `root` if they are not there."""
    facts, folder = _facts(embedder), _folder(root, embedder)
    exact = len(corpus) <= EXACT_LIMIT

    def build(work: Path, kept: Reusable) -> Json:
        dimension = _write_vectors(corpus, embedder, work, kept, exact, progress)
        told = f"float32 up to {EXACT_LIMIT}: exact" if exact else f"int8 above {EXACT_LIMIT}"
        more = {"embedding": embedder.name, "passages": len(corpus), "dimension": dimension}
        return {
            **facts,
            **more,
            "index": "float32" if exact else "int8",
            "why": f"{len(corpus)} passages, {told}",
        }

    def check(folder: Path, made: Json) -> None:
        if any(made.get(key) != value for key, value in facts.items()):
            raise ValueError("vectors of another embedding model")
        if set(made["files"]) != {VECTORS, TEXTS, *([] if exact else [SCALES])}:
            raise ValueError(f"found {', '.join(sorted(made['files']))[:80]}")
        _read(folder, len(corpus))

    ensure_index(folder, corpus.digest, build, check, progress)
    found = _read(folder, len(corpus))
    return Dense(embedder, found.numbers, found.scales)


def _facts(embedder: Embedder) -> Json:
    return {"kind": "dense", "embedding_digest": embedder.digest}


def _folder(root: Path, embedder: Embedder) -> Path:
    return root / f"dense-{digest(_facts(embedder))[:12]}"


def refuse_other_embedding(root: Path, embedder: Embedder) -> None:
    """Raise where a built corpus has vectors, but of other models only.

    Embedding a large corpus anew takes hours: nobody means to by a wrong name.

    Raises:
        UserError: naming both models and how to add this one.
    """
    if (_folder(root, embedder) / INDEX).is_file():
        return
    names = [str(read_object(path).get("embedding")) for path in root.glob(f"dense-*/{INDEX}")]
    if names:
        raise UserError(
            f"{root}: has vectors of the embedding model {', '.join(sorted(names))}, not of this "
            f"'{embedder.name}' (digest {embedder.digest[:12]}). Name that model, or add vectors "
            f"of this one: the 'bench corpus build' that made it, with --dense {embedder.name}."
        )


@dataclass(frozen=True)
class StoredVectors:
    """Vectors on disk, mapped: float32, or int8 with `scales`; `keys` (uint64) are of the texts."""

    numbers: Any
    scales: Any | None
    keys: Any

    def take(self, rows: Any, exact: bool) -> tuple[Any, Any]:
        """Some of them and their scales, as float32 (`exact`) or int8."""
        import numpy

        numbers = self.numbers[rows]
        if self.scales is not None:
            return numbers, self.scales[rows]
        if exact:
            return numbers, numpy.ones(len(rows), dtype=numpy.float32)
        scales = numpy.abs(numbers).max(axis=1) / numpy.float32(_LARGEST)
        steps = numpy.where(scales > 0, scales, 1)[:, None]
        return numpy.rint(numbers / steps).astype(numpy.int8), scales


def _read(folder: Path, count: int | None = None) -> StoredVectors:
    """What an index holds.

    Raises:
        ValueError, OSError, EOFError: its files are of no such form, or not of `count` passages.
    """
    numbers, keys = _array(folder / VECTORS), _array(folder / TEXTS)
    scales = None if numbers.dtype == "float32" else _array(folder / SCALES)
    rows = (keys.size if count is None else count,)
    if numbers.ndim != 2 or not 0 < numbers.shape[1] <= limits.DIMENSIONS:
        raise ValueError(f"vectors of shape {numbers.shape}")
    if scales is not None and (numbers.dtype, scales.dtype) != ("int8", "float32"):
        raise ValueError(f"vectors of {numbers.dtype}, scales of {scales.dtype}")
    if keys.dtype != "uint64":
        raise ValueError(f"keys of {keys.dtype}")
    for what, shape in (("vectors", numbers.shape[:1]), ("keys", keys.shape)):
        if shape != rows:
            raise ValueError(f"{what} of shape {shape}, not {rows}")
    if scales is not None and scales.shape != rows:
        raise ValueError(f"scales of shape {scales.shape}, not {rows}")
    return StoredVectors(numbers, scales, keys)


def _array(path: Path) -> Any:
    import numpy

    return numpy.load(path, mmap_mode="r", allow_pickle=False)


def _text_key(text: str) -> int:
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


def _write_vectors(
    corpus: Corpus, embedder: Embedder, work: Path, kept: Reusable, exact: bool, progress: Progress
) -> int:
    """Write the vectors of all passages, those of texts embedded before taken over; their
    dimension."""
    import numpy

    keys = numpy.fromiter(map(_text_key, corpus.texts()), numpy.uint64, len(corpus))
    sources = _kept_vectors(kept, embedder, exact)
    distinct, first = numpy.unique(keys, return_index=True)
    known = numpy.isin(distinct, numpy.concatenate([distinct[:0], *(s.keys for s in sources)]))
    sources += _embed(corpus, keys, numpy.sort(first[~known]), embedder, work, progress)
    dimension = int(sources[0].numbers.shape[1])
    scales = numpy.empty(len(corpus), dtype=numpy.float32)

    def blocks() -> Iterator[bytes]:
        yield _header("<f4" if exact else "|i1", (len(corpus), dimension))
        start = 0
        numbers: Any
        for numbers, block_scales in _gathered(sources, keys, exact):
            scales[start : start + len(numbers)] = block_scales
            start += len(numbers)
            yield numbers.tobytes()

    write_blocks(work / VECTORS, blocks())
    columns = {TEXTS: ("<u8", keys)} if exact else {TEXTS: ("<u8", keys), SCALES: ("<f4", scales)}
    column: Any
    for name, (kind, column) in columns.items():
        write_blocks(work / name, (_header(kind, column.shape), column.tobytes()))
    for path in work.glob(f"*{_SHARD_END}"):
        path.unlink()
    return dimension


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    """What a .npy file begins with."""
    import numpy

    header = io.BytesIO()
    about = {"descr": kind, "fortran_order": False, "shape": shape}
    numpy.lib.format.write_array_header_1_0(header, about)
    return header.getvalue()


def _gathered(
    sources: Sequence[StoredVectors], keys: Any, exact: bool
) -> Iterator[tuple[Any, Any]]:
    """The vectors of those keys, in order, and their scales, some thousand at a time."""
    import numpy

    bounds = numpy.cumsum([0, *(len(source.keys) for source in sources)])
    every = numpy.concatenate([source.keys for source in sources])
    order = numpy.argsort(every, kind="stable")
    every = every[order]
    for start in range(0, len(keys), SHARD):
        rows = order[numpy.searchsorted(every, keys[start : start + SHARD])]
        of_source = numpy.searchsorted(bounds, rows, "right") - 1
        numbers = numpy.empty(
            (len(rows), sources[0].numbers.shape[1]), numpy.float32 if exact else numpy.int8
        )
        scales = numpy.empty(len(rows), numpy.float32)
        for number in numpy.unique(of_source).tolist():
            mine = of_source == number
            numbers[mine], scales[mine] = sources[number].take(rows[mine] - bounds[number], exact)
        yield numbers, scales


def _kept_vectors(kept: Reusable, embedder: Embedder, exact: bool) -> list[StoredVectors]:
    """The vectors of the index that lies there, if they are this model's and exact enough."""
    folder = kept.folder(VECTORS, TEXTS)
    if folder is None or any(kept.facts.get(k) != v for k, v in _facts(embedder).items()):
        return []
    try:
        found = _read(folder)
    except (OSError, ValueError, EOFError):
        return []
    if found.scales is not None and (exact or kept.folder(SCALES) is None):
        return []
    return [found] if found.numbers.shape[1] == embedder.query("a").shape[1] else []


def _embed(
    corpus: Corpus, keys: Any, positions: Any, embedder: Embedder, work: Path, progress: Progress
) -> list[StoredVectors]:
    """The passages at `positions`, ascending, in shards; those that are there are kept.

    A shard is named by its texts and the numbers it is computed in: what an interrupted build of
    other passages or on another machine left is not taken for it.
    """
    dtype, missing = passage_dtype(), 0
    shards = list[tuple[Any, Path]]()
    for start in range(0, len(positions), SHARD):
        part = positions[start : start + SHARD]
        name = blake2b(keys[part].tobytes(), digest_size=16).hexdigest()
        shards.append((part, work / f"{name}-{dtype}{_SHARD_END}"))
        missing += 0 if _is_shard(shards[-1][1], len(part)) else len(part)
    _forecast(corpus, positions, missing, embedder, dtype, progress)
    texts = _texts_at(corpus, positions)
    with Step(progress, f"embedding ({embedder.name})", len(positions), "passages") as step:
        for part, path in shards:
            held = [next(texts) for _ in part]
            if not _is_shard(path, len(part)):
                vectors = embedder.passages(held, dtype)
                write_blocks(path, (_header("<f4", vectors.shape), vectors.tobytes()))
            step.advance(len(part))
    return [StoredVectors(_array(path), None, keys[part]) for part, path in shards]


def _texts_at(corpus: Corpus, positions: Any) -> Iterator[str]:
    wanted = iter(positions.tolist())
    following = next(wanted, None)
    if following is None:
        return
    for position, text in enumerate(corpus.texts(following), following):
        if position == following:
            yield text
            following = next(wanted, None)
            if following is None:
                return


def _is_shard(path: Path, count: int) -> bool:
    """Whether a shard is there and of the form of one."""
    try:
        found = _array(path)
    except (OSError, ValueError, EOFError):
        return False
    shape = found.shape
    return found.dtype == "float32" and len(shape) == 2 and shape[0] == count and shape[1] > 0


def _forecast(
    corpus: Corpus, positions: Any, missing: int, embedder: Embedder, dtype: str, progress: Progress
) -> None:
    """Say before beginning what is to be embedded and how long that takes here."""
    taken = len(corpus) - len(positions)
    if missing <= _WORTH_TELLING:
        return
    sample = positions[:: max(1, len(positions) // _SAMPLED)][:_SAMPLED]
    texts = [next(corpus.texts(position, position + 1)) for position in sample.tolist()]
    embedder.passages(texts[:1], dtype)  # loads the model
    begin = time.monotonic()
    embedder.passages(texts, dtype)
    rate = len(texts) / max(time.monotonic() - begin, 1e-6)
    progress.say(
        f"{missing} passages to embed by {embedder.name} in {dtype}"
        f"{f' ({taken} of {len(corpus)} are there or come again)' if taken else ''}: about "
        f"{_duration(missing / rate)} at the {rate:.0f} a second of {len(texts)} tried. A killed "
        f"run goes on after its last {SHARD}."
    )


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f"{max(1.0, seconds / 60):.0f} min"
    return f"{seconds / 3600:.1f} h"
