"""The vLLM engine: base and adapters in processes of its own."""

__all__ = ["engine"]
