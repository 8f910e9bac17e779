"""Passages for a query: by words (BM25), by meaning (dense), by both."""

from specializers.retrieval.open import (
    DEFAULT_EMBEDDING,
    KINDS,
    Passage,
    Retriever,
    build_indexes,
    open_retriever,
)

__all__ = ["DEFAULT_EMBEDDING", "KINDS", "Passage", "Retriever", "build_indexes", "open_retriever"]
