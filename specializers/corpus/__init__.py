"""Passages on disk: built from files, read by offset."""

__all__ = ["build", "fields", "known", "layout", "open", "rows", "sentences"]
