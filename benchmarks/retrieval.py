"""Retrieval on made-up data: recall of int8 vectors, size and speed of each index.

    python -m benchmarks.retrieval [--vectors 20000] [--dimension 384] [--passages 20000]
        [--embed FILE]

Vectors are drawn around centres in a space of fewer dimensions, as those of texts are; int8
is compared with float32, which is exact. BM25 is built over made-up passages with Zipf's
frequencies. `--embed FILE` takes a JSONL of real texts (id, title, text) instead of the
made-up vectors, and says how many a second the default model embeds, in float32 and in what
`passage_dtype` says, and what that loses. Times are of the processor.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.leakage import made_up_texts, made_up_words
from benchmarks.options import options_of
from harness.progress import NullProgress
from specializers.corpus.cut import Document, cut
from specializers.retrieval.dense import Dense, StoredVectors
from specializers.retrieval.embedding import DEFAULT as DEFAULT_EMBEDDING
from specializers.retrieval.embedding import open_embedder, passage_dtype
from specializers.retrieval.open import open_retriever

QUERIES, NEAREST = 200, 10


def made_up_vectors(count: int, dimension: int) -> Any:
    rng = np.random.default_rng(0)
    inner = dimension // 4
    centres = rng.standard_normal((200, inner))
    mixing = rng.standard_normal((inner, dimension))
    drawn = centres[rng.integers(0, 200, count)] + 0.7 * rng.standard_normal((count, inner))
    vectors = drawn @ mixing + 0.5 * rng.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


class Given:
    """Stands in for an embedding model: a query is the number of a vector."""

    name = "given"

    def __init__(self, queries: Any) -> None:
        self._queries = queries

    def query(self, text: str) -> Any:
        return self._queries[int(text)][None]


def dense(vectors: Any, queries: Any) -> None:
    """What int8 loses of the float32 vectors, and what a query of each takes."""
    whole = StoredVectors(vectors, None, None)
    every = np.arange(len(vectors))
    exact = Dense(Given(queries), vectors, None)  # type: ignore[arg-type]
    near = Dense(Given(queries), *whole.take(every, exact=False))  # type: ignore[arg-type]
    compared(exact, near, queries, f"int8 over {vectors.shape[0]} x {vectors.shape[1]}")
    for name, index in (("float32", exact), ("int8", near)):
        took = seconds(lambda: [index.rank(str(n), NEAREST) for n in range(20)]) / 20  # noqa: B023
        print(f"{name}: {1000 * took:.1f} ms a query")


def compared(exact: Dense, near: Dense, queries: Any, what: str) -> None:
    shares = []
    for number in range(len(queries)):
        best = {position for position, _ in exact.rank(str(number), NEAREST)}
        found = {position for position, _ in near.rank(str(number), NEAREST)}
        shares.append(len(best & found) / NEAREST)
    print(f"{what}: of the exact {NEAREST} among its {NEAREST}: {np.mean(shares):.3f}")


def embedded(path: Path, count: int) -> None:
    embedder = open_embedder(DEFAULT_EMBEDDING, NullProgress())
    rows = [json.loads(line) for line in path.read_text().splitlines()[:count]]
    texts = [passage["text"] for row in rows for passage in cut(document(row), 120)][:count]
    found = {}
    for dtype in ("float32", passage_dtype()):
        embedder.passages(texts[:2], dtype)
        took = seconds(lambda: found.update({dtype: embedder.passages(texts, dtype)}))  # noqa: B023
        print(f"{len(texts)} passages in {dtype}: {len(texts) / took:.1f} a second of one core")
    queries = [text.split(". ")[0] for text in texts[:QUERIES]]
    asked = np.concatenate([embedder.query(query) for query in queries])
    dense(found["float32"], asked)
    if passage_dtype() in found:
        exact, other = (
            Dense(Given(asked), found[dtype], None)  # type: ignore[arg-type]
            for dtype in ("float32", passage_dtype())
        )
        compared(exact, other, asked, passage_dtype())


def document(row: Any) -> Document:
    return Document(str(row["id"]), "", row["text"], "", "")


def words(count: int, folder: Path) -> None:
    corpus = folder / "corpus.jsonl"
    with corpus.open("w", encoding="utf-8") as file:
        for number, text in enumerate(made_up_texts(made_up_words(), 3, count, 120)):
            file.write(json.dumps({"id": str(number), "title": "", "text": text}) + "\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    open_retriever("bm25", corpus, folder / "indexes", NullProgress())
    took = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    size = sum(path.stat().st_size for path in folder.glob("indexes/*/*/*"))
    print(f"bm25 over {count} passages of about 120 words: {took:.1f} s")
    print(f"bytes a passage: {grown / count:.0f} at the peak, {size / count:.0f} on disk")


def main() -> None:
    options = options_of(__doc__, vectors=20_000, dimension=384, passages=20_000, embed=None)
    if options.embed:
        embedded(options.embed, options.passages)
        return
    with tempfile.TemporaryDirectory() as folder:
        words(options.passages, Path(folder))
    vectors = made_up_vectors(options.vectors + QUERIES, options.dimension)
    dense(vectors[: options.vectors], vectors[options.vectors :])


if __name__ == "__main__":
    main()
