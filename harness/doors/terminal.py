"""The one console that tables and texts are printed on."""

from __future__ import annotations

from typing import Any

from harness.doors.text import plain


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
