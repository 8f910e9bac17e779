"""What a reader must know beside the numbers, as sentences."""

__all__ = ["family", "like", "records", "rows"]
