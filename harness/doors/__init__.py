"""What people hand to each other is read through here: bounded, typed, inside its folder."""

__all__ = [
    "artifact",
    "fields",
    "files",
    "gguf",
    "limits",
    "model",
    "packed",
    "paths",
    "record",
    "run_facts",
    "seals",
    "terminal",
    "text",
    "timed",
]
