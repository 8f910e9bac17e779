"""Passages for a query: by words (BM25), by meaning (dense), by both."""

__all__ = ["embedding", "nearest", "open"]
