"""Fields of a handed-over table: each of a kind and within bounds, or told by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from harness.checks import ValueType, is_plain_name
from harness.doors import limits
from harness.doors.text import plain

Kinds = Mapping[str, ValueType]


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _number(value: Any) -> bool:
    """One that is a float too. An infinite one is: the logarithm of a chance of nothing."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) <= limits.WHOLE
    return isinstance(value, float) and not math.isnan(value)


def text(most: int) -> ValueType:
    return ValueType(
        f"a text of at most {most:,} letters", lambda v: isinstance(v, str) and len(v) <= most
    )


def count(most: int = limits.WHOLE) -> ValueType:
    return ValueType(f"a whole number, 0 to {most:,}", lambda v: _whole(v, most))


def maybe(kind: ValueType) -> ValueType:
    return ValueType(f"{kind.expected}, or null", lambda v: v is None or kind.fits(v))


def listing(kind: ValueType, most: int) -> ValueType:
    return ValueType(
        f"a list of at most {most:,}, each {kind.expected}",
        lambda v: isinstance(v, list) and len(v) <= most and all(map(kind.fits, v)),
    )


def mapping(kind: ValueType) -> ValueType:
    return ValueType(
        f"a table of at most {limits.KEYS:,} keys, each {kind.expected}",
        lambda v: isinstance(v, dict) and len(v) <= limits.KEYS and all(map(kind.fits, v.values())),
    )


def _counts(value: Any, depth: int = 3) -> bool:
    if isinstance(value, list):
        return depth > 0 and len(value) <= limits.KEYS and all(_counts(v, depth - 1) for v in value)
    # Words where an aggregation of lm-eval's compares texts.
    return value is None or isinstance(value, str | bool) or _number(value)


NAME = ValueType("a plain name of letters, digits and . _ - @ + : , =", is_plain_name)
NAME_OR_NONE = ValueType(f'{NAME.expected}, or ""', lambda v: v == "" or is_plain_name(v))
WORDS = text(limits.WORDS)
TEXT = text(limits.TEXT)
YES_NO = ValueType("true or false", lambda v: isinstance(v, bool))
NUMBER = ValueType("a number", _number)
SCALAR = ValueType(
    "a number or a text",
    lambda v: _number(v) or (isinstance(v, str) and len(v) <= limits.WORDS),
)
COUNTS = ValueType("a number, or lists of them", _counts)
ANY = ValueType("anything", lambda _: True)
TABLE = mapping(ANY)


def faults(place: str, table: Any, needed: Kinds, more: Kinds | None = None) -> Iterator[str]:
    """Each key that is missing or of another kind, as `key: found X; expected Y`.

    Keys beyond these are let be: a later version may have added them.

    Args:
        place: what stands before each key, "" or "manifest.".
        more: keys that may be missing.
    """
    if not isinstance(table, dict):
        yield f"{place.rstrip('.')}: found {type(table).__name__}; expected a table"
        return
    for key, kind in needed.items():
        if key not in table:
            yield f"{place}{key}: missing; expected {kind.expected}"
        elif not kind.fits(table[key]):
            yield f"{place}{key}: found {_shown(table[key])}; expected {kind.expected}"
    for key, kind in (more or {}).items():
        if key in table and not kind.fits(table[key]):
            yield f"{place}{key}: found {_shown(table[key])}; expected {kind.expected}"


def _shown(value: Any) -> str:
    """The first letters of a value; a whole one may be megabytes."""
    if isinstance(value, dict | list):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, int) and abs(value) > limits.WHOLE:
        return "a very large number"
    shown = plain(repr(value))
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
