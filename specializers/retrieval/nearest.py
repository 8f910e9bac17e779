"""The texts nearest to a text by meaning, among texts held in memory (an artifact's examples)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from specializers.retrieval.ranking import top


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
    """For each query the `k` nearest texts as (position, cosine), nearest first; exact."""
    if not texts:
        return [[] for _ in queries]
    import numpy

    vectors = embedder.passages(texts)
    return [
        top(numpy.vecdot(vectors, embedder.query(query)[0]), k, above=float("-inf"))
        for query in queries
    ]
