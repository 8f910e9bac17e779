"""A named model, from its source to a checked folder on this disk."""

__all__ = ["adapters", "places", "served", "sources", "table"]
