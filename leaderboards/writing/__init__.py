"""A board's folder as others may have it: written aside and exchanged whole, under seals."""

__all__ = ["aside", "seals"]
