"""Other harnesses' formats of results: one file a format."""

__all__ = [
    "eval_results",
    "every_eval_ever",
    "lm_eval_export",
    "lm_eval_import",
    "model_index",
    "origin",
]
