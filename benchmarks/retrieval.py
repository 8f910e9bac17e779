"""Retrieval on made-up data: recall of the large index, size and speed of each.

    python -m benchmarks.retrieval [--vectors 20000] [--dimension 128] [--passages 20000]

Vectors are drawn around centres in a space of fewer dimensions, as those of texts
are; the inverted file is compared with the flat index, which is exact. BM25 is
built over made-up passages with Zipf's frequencies.
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
from specializers.retrieval.dense import make_index
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
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def dense(count: int, dimension: int, folder: Path) -> None:
    import faiss

    vectors = made_up_vectors(count + QUERIES, dimension)
    shard, queries = folder / "vectors.npy", vectors[count:]
    np.save(shard, vectors[:count])
    flat, _ = make_index([shard], count)
    exact = flat.search(queries, NEAREST)[1]
    start = time.perf_counter()
    inverted, facts = make_index([shard], count, limit=0)
    print(
        f"{facts['index']} over {count} x {dimension}: {time.perf_counter() - start:.1f} s to build"
    )
    sizes = [len(faiss.serialize_index(index)) / count for index in (flat, inverted)]
    print(f"bytes a vector: flat {sizes[0]:.0f}, inverted {sizes[1]:.0f}")
    ratio = seconds(lambda: flat.search(queries, NEAREST)) / seconds(
        lambda: inverted.search(queries, NEAREST)
    )
    print(f"flat / inverted, time of a query: {ratio:.1f}")
    for depth in (NEAREST, 10 * NEAREST):
        found = inverted.search(queries, depth)[1]
        shares = [len({*row} & {*best}) / NEAREST for row, best in zip(found, exact, strict=True)]
        print(f"of the exact {NEAREST} among the inverted {depth}: {np.mean(shares):.2f}")


def words(count: int, folder: Path) -> None:
    corpus = folder / "corpus.jsonl"
    with corpus.open("w", encoding="utf-8") as file:
        for number, text in enumerate(made_up_texts(made_up_words(), 3, count, 120)):
            file.write(json.dumps({"id": str(number), "title": "", "text": text}) + "\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    open_retriever("bm25", corpus, folder / "indexes", NullProgress())
    took = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    size = sum(path.stat().st_size for path in folder.glob("indexes/*/*/*"))
    print(f"bm25 over {count} passages of about 120 words: {took:.1f} s")
    print(f"bytes a passage: {grown / count:.0f} at the peak, {size / count:.0f} on disk")


def main() -> None:
    options = options_of(__doc__, vectors=20_000, dimension=128, passages=20_000)
    with tempfile.TemporaryDirectory() as folder:
        words(options.passages, Path(folder))
        dense(options.vectors, options.dimension, Path(folder))


if __name__ == "__main__":
    main()
