"""Passages on disk: built from files, read by offset."""

__all__ = ["fields", "known", "layout", "open", "rows", "sentences"]
