"""Data sets from their public origins, checked and in the one row schema."""

__all__ = ["convert", "fetching", "present"]
