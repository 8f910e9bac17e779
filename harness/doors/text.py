"""Words from files, models and servers on their way to a terminal.

A terminal obeys what it is sent: an escape sequence can clear the lines above,
hide the rest or retype a command, and a letter that turns the direction of
writing shows a name as another one. Here they are shown by number instead.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Cc: controls; Cf: direction marks, joiners, tags; Cs: half of a pair; Co, Cn: no letter;
# Zl, Zp: line ends that only some programs see.
_SHOWN_BY_NUMBER = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Joins letters of Indic scripts, Persian and pictures, and changes nothing else.
_JOINERS = frozenset("\u200c\u200d")
SHORTEST_KEY = 8  # letters; real keys have 20 and more
_ASCII = re.compile(r"[\x20-\x7e]*")


def plain(text: Any, *, lines: bool = False) -> str:
    """`text` with every control character written as its number (`\\x1b`, `\\u202e`).

    Args:
        text: anything; its `str` is taken.
        lines: whether line ends and tabs stay as they are.
    """
    words = str(text)
    if _ASCII.fullmatch(words):
        return words
    kept = "\n\t" if lines else ""
    return "".join(sign if sign in kept else _shown(sign) for sign in words)


def _shown(sign: str) -> str:
    if sign in _JOINERS or unicodedata.category(sign) not in _SHOWN_BY_NUMBER:
        return sign
    number = ord(sign)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def blanked(value: Any, key: str) -> Any:
    """`value` with every text in it, at any depth, rid of `key`."""
    if isinstance(value, str):
        return value.replace(key, "***")
    if isinstance(value, dict):
        return {blanked(name, key): blanked(part, key) for name, part in value.items()}
    if isinstance(value, list):
        return [blanked(part, key) for part in value]
    return value
