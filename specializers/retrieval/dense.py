"""Dense retrieval: passages as vectors, nearest by cosine, by faiss.

Passages are embedded in shards; a killed build goes on after its last whole
shard. Up to `FLAT_LIMIT` passages every vector is compared: that is exact, and
faiss's own guide advises it for the few thousand queries of a specialisation,
which would not pay for building anything better. Above it memory decides: an
inverted file with product quantisation (IVF-PQ) holds 96 bytes of a 384-wide
vector instead of 1,536 and is the only kind faiss can memory-map; HNSW would
hold the vectors and their links, 108 GB for all of PubMed. The price is recall:
`benchmarks/retrieval.py` measures it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.doors.files import read_object
from harness.errors import MissingExtra, UserError
from harness.files import digest, write_bytes
from harness.progress import Step
from harness.types import Json, Progress
from specializers.corpus.layout import Chunk
from specializers.corpus.open import Corpus
from specializers.retrieval.embedding import Embedder
from specializers.retrieval.ranking import INDEX, Reusable, ensure_index
from specializers.retrieval.vectors import check_vectors

SHARD = 2048  # passages: some minutes of work on two cores, so that little is lost
FLAT_LIMIT = 200_000
# faiss's rule: 4 * sqrt(n) cells and at least 39 training vectors to each.
CELLS_PER_ROOT, TRAINING_PER_CELL, MOST_TRAINING = 4, 39, 500_000
PROBES = 64  # cells looked at for a query
DIMENSIONS_PER_CODE = 4  # of a vector, to a byte
VECTORS = "vectors.faiss"


class Dense:
    """Cosine of query and passages."""

    def __init__(self, embedder: Embedder, index: Any) -> None:
        self._embedder = embedder
        self._index = index

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Ranker`; every passage has a cosine, so none is left out but for an empty query."""
        k = min(k, self._index.ntotal)
        if k <= 0 or not query.strip():
            return []
        vector, total = self._embedder.query(query), self._index.ntotal
        if vector.shape[1] != self._index.d:
            raise UserError(
                f"the corpus's vectors are of {self._index.d} numbers; expected {vector.shape[1]}, "
                f"as the embedding model '{self._embedder.name}' gives. Delete the corpus's "
                "folders dense-*; they are made again."
            )
        scores, positions = self._index.search(vector, k)
        pairs = zip(positions[0].tolist(), scores[0].tolist(), strict=True)
        return sorted(
            (pair for pair in pairs if 0 <= pair[0] < total), key=lambda pair: (-pair[1], pair[0])
        )


def open_dense(corpus: Corpus, root: Path, embedder: Embedder, progress: Progress) -> Dense:
    """The vectors of the corpus by this model, made under `root` if they are not there.

    Raises:
        MissingExtra: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("faiss", "retrieval", "Dense retrieval") from error
    facts, folder = _facts(embedder), _folder(root, embedder)

    def build(work: Path, _: Reusable) -> Json:
        shards = _embed(corpus, embedder, work, progress)
        index, why = make_index(shards, len(corpus))
        faiss.write_index(index, str(work / VECTORS))
        for shard in set(shards):
            shard.unlink()
        more = {"embedding": embedder.name, "passages": len(corpus), "faiss": faiss.__version__}
        return {**facts, **more, "dimension": index.d, **why}

    def check(folder: Path, made: Json) -> None:
        if any(made.get(key) != value for key, value in facts.items()):
            raise ValueError("vectors of another embedding model")
        if list(made["files"]) != [VECTORS]:
            raise ValueError(f"{len(made['files'])} files; expected {VECTORS} alone")
        check_vectors(folder / VECTORS, len(corpus))

    ensure_index(folder, corpus.digest, build, check, progress)
    # Only inverted files can be mapped; a flat index is read whole (its limit bounds it).
    return Dense(embedder, faiss.read_index(str(folder / VECTORS), faiss.IO_FLAG_MMAP))


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


def _embed(corpus: Corpus, embedder: Embedder, work: Path, progress: Progress) -> list[Path]:
    """Vectors of all passages as .npy shards in `work`; those that are there are kept."""
    import numpy

    shards = []
    with Step(progress, f"embedding ({embedder.name})", len(corpus), "passages") as step:
        for chunk, start, stop in _shards(corpus):
            # By content: what an interrupted build of other passages left is not taken for these.
            path = work / f"{chunk.digest}-{start - chunk.start:05}-{stop - start}.npy"
            if not _is_shard(path, stop - start):
                buffer = io.BytesIO()
                numpy.save(buffer, embedder.passages(list(corpus.texts(start, stop))))
                write_bytes(path, buffer.getvalue())
            shards.append(path)
            step.advance(stop - start)
    return shards


def _is_shard(path: Path, count: int) -> bool:
    """Whether a shard is there and of the form of one; a build that went on elsewhere left it."""
    try:
        found = _vectors(path)
    except (OSError, ValueError, EOFError):
        return False
    shape = found.shape
    return found.dtype == "float32" and len(shape) == 2 and shape[0] == count and shape[1] > 0


def _shards(corpus: Corpus) -> Iterator[tuple[Chunk, int, int]]:
    for chunk in corpus.chunks:
        end = chunk.start + chunk.count
        for start in range(chunk.start, end, SHARD):
            yield chunk, start, min(start + SHARD, end)


def make_index(shards: Sequence[Path], count: int, limit: int = FLAT_LIMIT) -> tuple[Any, Json]:
    """A faiss index of the shards' vectors, in order, and which kind and why.

    Args:
        shards: .npy files of float32 (some, dimension), of length 1.
        count: vectors in all of them.
        limit: up to this many the index is flat.
    """
    import faiss

    dimension = int(_vectors(shards[0]).shape[1])
    if count <= limit:
        index: Any = faiss.IndexFlatIP(dimension)
        why = {"index": "flat", "why": f"{count} passages, flat up to {limit}: exact"}
    else:
        training = _sample(shards, min(count, MOST_TRAINING))
        cells = min(int(CELLS_PER_ROOT * math.sqrt(count)), len(training) // TRAINING_PER_CELL)
        codes = max(m for m in range(1, dimension // DIMENSIONS_PER_CODE + 1) if dimension % m == 0)
        factory = f"IVF{max(1, cells)},PQ{codes}"
        index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
        index.train(training)
        index.nprobe = PROBES
        why = {"index": factory, "why": f"{count} passages, inverted file above {limit}"}
    for shard in shards:
        index.add(_vectors(shard))
    return index, why


def _vectors(shard: Path) -> Any:
    """A shard, mapped."""
    import numpy

    return numpy.load(shard, mmap_mode="r", allow_pickle=False)


def _sample(shards: Sequence[Path], wanted: int) -> Any:
    """About `wanted` vectors, every so-manieth of each shard."""
    import numpy

    total = sum(len(_vectors(shard)) for shard in shards)
    stride = max(1, total // wanted)
    return numpy.concatenate([_vectors(shard)[::stride] for shard in shards])
