"""Suites of tasks: found, checked for code, loaded, fitted to a model's window."""
