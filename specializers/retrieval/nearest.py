"""The texts nearest to a text by meaning, among texts held in memory (an artifact's examples)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from harness.errors import MissingExtra


class Embeds(Protocol):
    """What is asked of an embedding model; `embedding.Embedder` is one."""

    def passages(self, texts: Sequence[str]) -> Any:
        """float32 (texts, dimension), rows of length 1."""
        ...

    def query(self, text: str) -> Any:
        """float32 (1, dimension), of length 1."""
        ...


def nearest_texts(
    embedder: Embeds, queries: Sequence[str], texts: Sequence[str], k: int
) -> list[list[tuple[int, float]]]:
    """For each query the `k` nearest texts as (position, cosine), nearest first; exact.

    Raises:
        MissingExtra: faiss is not installed.
    """
    if not texts:
        return [[] for _ in queries]
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("faiss", "retrieval", "Comparing by meaning") from error
    vectors = embedder.passages(texts)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    found = []
    for query in queries:
        scores, positions = index.search(embedder.query(query), min(k, len(texts)))
        pairs = zip(positions[0].tolist(), scores[0].tolist(), strict=True)
        # faiss leaves the order of equal scores open.
        found.append(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
    return found
