"""Tasks over real text: a passage of the corpus first, then a task for it, then its answer."""

__all__ = ["asking", "frames", "gate", "params", "quotas", "stage", "writing"]
