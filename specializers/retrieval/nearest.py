"""The vectors nearest to a vector, every one compared by faiss, and the texts nearest to a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from harness.errors import MissingExtra

# Looked at beyond those asked for: faiss leaves the order of equal scores open.
_EQUAL = 64


class Embeds(Protocol):
    """What is asked of an embedding model; `embedding.Embedder` is one."""

    def passages(self, texts: Sequence[str]) -> Any:
        """float32 (texts, dimension), rows of length 1."""
        ...

    def query(self, text: str) -> Any:
        """float32 (1, dimension), of length 1."""
        ...


def nearest(blocks: Iterable[Any], query: Any, k: int) -> list[tuple[int, float]]:
    """The `k` vectors of the largest product with a query, as (position, product); exact.

    Equal ones stand in order.

    Args:
        blocks: float32 (rows, dimension) each, one after the other.
        query: float32 (1, dimension).
    Raises:
        MissingExtra: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("faiss", "retrieval", "Comparing by meaning") from error
    found: list[tuple[int, float]] = []
    start = 0
    for block in blocks:
        count = min(k + _EQUAL, len(block))
        scores, places = faiss.knn(query, block, count, metric=faiss.METRIC_INNER_PRODUCT)
        pairs = zip((places[0] + start).tolist(), scores[0].tolist(), strict=True)
        found = sorted([*found, *pairs], key=lambda pair: (-pair[1], pair[0]))[: k + _EQUAL]
        start += len(block)
    return found[:k]


def nearest_texts(
    embedder: Embeds, queries: Sequence[str], texts: Sequence[str], k: int
) -> list[list[tuple[int, float]]]:
    """For each query the `k` nearest texts as (position, cosine), nearest first; exact.

    Raises:
        MissingExtra: faiss is not installed.
    """
    if not texts:
        return [[] for _ in queries]
    vectors = embedder.passages(texts)
    return [nearest([vectors], embedder.query(query), k) for query in queries]
