"""Records -> boards; never runs a model."""

import harness  # noqa: F401  (answers imports of places left in 0.2)
