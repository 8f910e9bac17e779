"""Engines compute answers; here is their contract, the choice, and what they share."""

__all__ = ["ahead", "base", "choose", "device", "heap", "loading", "prefix", "tokens"]
