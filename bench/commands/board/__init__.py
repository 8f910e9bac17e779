"""`bench board`: one file a part."""

__all__ = ["build"]
