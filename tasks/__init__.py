"""What is measured: suites of lm-eval YAML, and the functions they name."""

import harness  # noqa: F401  (answers imports of places left in 0.2)

__all__ = [
    "aggregation",
    "cards",
    "datasets",
    "metrics",
    "resample",
    "scaffold",
    "show",
    "validate",
]
