"""A board as static pages, without server or network."""

__all__ = ["figures", "files", "items", "nearest", "plots", "provenance", "serve", "write"]
