"""A specialised model's artifact: found or made, and what its examples came from."""

__all__ = ["given", "lineage", "make", "makes"]
