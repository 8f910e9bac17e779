"""The engine for a model behind an OpenAI-compatible server."""

__all__ = ["client", "engine"]
