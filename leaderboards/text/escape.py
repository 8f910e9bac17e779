"""Text that cannot hide, reorder or run."""

from __future__ import annotations

import re

# Characters that hide or reorder text, and those no page may hold.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


# Also behind white space, and as the wide signs of East Asian input, which are read alike.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")


def visible(text: str) -> str:
    """The text with control, direction and invisible characters shown by their numbers."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


# What forges make a link or a call of a person of, without any mark of Markdown's.
_CALLED = re.compile(r"(?<!\w)@(?=\w)|(?<=\w)@(?=\w[\w-]*\.\w)|(?<=#)(?=\d)")
_LINK = re.compile(r"(?i)(?<=:)//|\bwww\.|\b(?:mailto|xmpp):")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, hidden and direction marks by their numbers.

    A bare address is no link, an @name calls nobody and a #7 names no issue.
    """
    plain = visible(" ".join(text.split())) if text.strip() else text
    marked = re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", plain)
    marked = _LINK.sub(lambda found: re.sub(r"([/.:])", r"\\\1", found[0], count=1), marked)
    return _CALLED.sub(lambda found: f"{found[0]}<!-- -->", marked)


def code_span(text: str) -> str:
    """Text as a code span of Markdown, which no mark inside it can end."""
    plain = visible(" ".join(text.split()))
    longest = max(map(len, re.findall("`+", plain)), default=0)
    fence, room = "`" * (longest + 1), " " if "`" in plain else ""
    return f"{fence}{room}{plain}{room}{fence}" if plain else ""


def plain_cell(value: object) -> object:
    """A cell of a CSV file: numbers rounded, and no text that a spreadsheet would run.

    A text that begins like a formula gets an apostrophe, which spreadsheets hide.
    Source: OWASP, CSV Injection.
    """
    if isinstance(value, float):
        return round(value, 6) + 0.0
    if isinstance(value, str):
        text = visible(value)
        return f"'{text}" if _FORMULA.match(text) else text
    return value
