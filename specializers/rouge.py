"""ROUGE-L between short texts, fast enough to compare each new example with all before it.

The value is that of the `rouge_score` package without stemming (a test compares
them). The longest common subsequence is found bit-parallel, one machine-word
operation per token, and pairs whose lengths alone forbid the threshold are
never compared: 5,000 instructions against one another take seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> tuple[str, ...]:
    """Lower-case runs of ASCII letters and digits, as `rouge_score` cuts them."""
    return tuple(_WORD.findall(text.lower()))


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | (1 << index)
    return _common_subsequence(places, len(first), second)


def _common_subsequence(places: dict[str, int], length: int, other: Sequence[str]) -> int:
    full = (1 << length) - 1
    row = full
    for word in other:
        match = places.get(word)
        if match is not None:
            both = row & match
            row = ((row + both) | (row - both)) & full
    return length - row.bit_count()


def rouge_l(first: str, second: str) -> float:
    """ROUGE-L F1 in 0..1; 0.0 where a text has no word."""
    a, b = words(first), words(second)
    if not a or not b:
        return 0.0
    return 2 * common_subsequence(a, b) / (len(a) + len(b))


class NoveltyPool:
    """Texts so far; finds the one nearest to a new text by ROUGE-L F1."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, tuple[str, ...]]] = []

    def add(self, name: str, text: str) -> None:
        """Remember `text` under `name`."""
        self._entries.append((name, words(text)))

    def nearest(self, text: str, above: float) -> tuple[str, float] | None:
        """The name and ROUGE-L of the nearest entry, if that is more than `above`; else None.

        Of equally near entries the first added wins.
        """
        new = words(text)
        places: dict[str, int] = {}
        for index, word in enumerate(new):
            places[word] = places.get(word, 0) | (1 << index)
        best: tuple[str, float] | None = None
        bar = above
        for name, old in self._entries:
            total = len(new) + len(old)
            # A subsequence is at most as long as the shorter text.
            if not total or 2 * min(len(new), len(old)) / total <= bar:
                continue
            value = 2 * _common_subsequence(places, len(new), old) / total
            if value > bar:
                best, bar = (name, value), value
        return best
