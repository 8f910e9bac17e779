"""The options of a measurement, each said once: its name and its default."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def parser_of(doc: str | None, *paths: str, **options: Any) -> argparse.ArgumentParser:
    """A parser whose help is the file's own text.

    Args:
        paths: what must be given, in its order.
        options: `items=60` is --items, a whole number like its default; None is a path that may
            be given, a tuple a choice whose first is the default.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in paths:
        parser.add_argument(name, type=Path)
    for name, value in options.items():
        how: dict[str, Any] = {"default": value, "type": Path if value is None else type(value)}
        if isinstance(value, tuple):
            how = {"default": value[0], "choices": value}
        parser.add_argument(f"--{name.replace('_', '-')}", **how)
    return parser


def options_of(doc: str | None, *paths: str, **options: Any) -> argparse.Namespace:
    """What was typed; see `parser_of`."""
    return parser_of(doc, *paths, **options).parse_args()
