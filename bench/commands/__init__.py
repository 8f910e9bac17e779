"""One file a command: NAME, HELP, options(parser) and call(args) -> exit code."""

__all__ = [
    "corpus",
    "data",
    "doctor",
    "explain",
    "listing",
    "models",
    "new",
    "options",
    "plan",
    "run",
    "show",
    "specialize",
    "sweep",
    "validate",
]
