"""How the items of a task are asked: in which words, which of them, and what is told beside."""

__all__ = ["gold", "sample", "told", "training", "wordings"]
