"""Rows that somebody has in a file of theirs -> rows of a task."""

__all__ = ["columns", "rows"]
