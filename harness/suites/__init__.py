"""Suites of tasks: found, checked for code, loaded, fitted to a model's window."""

__all__ = ["corrections", "index", "items", "metrics", "prompts", "rewriting", "scoring", "window"]
