"""The transformers engine: every distinct token of a job computed once."""

__all__ = ["engine", "generation"]
