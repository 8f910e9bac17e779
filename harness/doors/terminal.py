"""What a person reads on a terminal: the one place that prints (tests/doors/test_calls.py)."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from harness.doors.text import plain


def say(text: Any = "", *, to: TextIO | None = None, end: str = "\n") -> None:
    """Print words, at once; what a terminal would obey is shown by its number.

    Args:
        text: anything; its `str` is taken.
        to: None for standard output.
    """
    print(plain(text, lines=True), file=to or sys.stdout, end=end, flush=True)


def complain(text: Any) -> None:
    """`say` to standard error."""
    say(text, to=sys.stderr)


def say_json(value: Any, *, sort: bool = False) -> None:
    """Print a value as JSON for another program.

    Letters are as they are, but where a terminal would obey some: then all beyond ASCII is
    by number.

    Args:
        sort: whether keys are in the order of their letters.
    """
    text = json.dumps(value, indent=2, sort_keys=sort, ensure_ascii=False)
    if plain(text, lines=True) != text:
        text = json.dumps(value, indent=2, sort_keys=sort)
    print(text, flush=True)


def open_console(**options: Any) -> Any:
    """A rich console to which every text is a text.

    No `[bold]` of a title is markup, no `:smile:` a picture, and control characters are
    shown by their numbers. Args are rich's own.
    """
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **given: Any) -> Any:
            return super().render_str(
                plain(text, lines=True), **{**given, "markup": False, "emoji": False}
            )

    return Plain(markup=False, emoji=False, highlight=False, **options)
