"""Files -> a built corpus: cut in blocks, joined, added to."""

__all__ = ["build", "given", "wanted"]
