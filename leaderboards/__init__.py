"""Records -> boards; never runs a model."""

import harness  # noqa: F401  (answers imports of places left in 0.2)

__all__ = [
    "baseline",
    "board",
    "build",
    "explain",
    "folder",
    "gate",
    "gather",
    "publish",
    "shown",
    "spec",
    "sweeps",
]
