"""The records of a board: what is fit to be shown, what a row is, what it is compared with."""

__all__ = ["door", "prompts", "rows", "sides"]
