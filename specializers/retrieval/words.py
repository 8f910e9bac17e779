"""The one way a text becomes words to search by: passages and queries alike.

Names of genes, receptors and vitamins differ in a letter or a digit and are
spelt in several ways. So nothing is dropped for being short, and a name with
hyphens, slashes, Greek or digits is found both whole and in its parts: `IL-6`,
`IL6` and `IL 6` share the word `il6`, which `IL-2` has not. docs/retrieval.md
has the measurements that each rule was kept for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from harness.errors import MissingExtra

# Raise when the same text would become other words.
WORDS_VERSION = 1

# Lucene's list. A single letter is dropped alone, not after its noun: "vitamin A".
_STOP = frozenset(
    str.split(
        "a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they this to was will with"
    )
)
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρσςτυφχψω",
        str.split(
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi "
            "rho sigma sigma tau upsilon phi chi psi omega"
        ),
        strict=True,
    )
)
# A Greek letter by itself is a symbol; among others it is a word of Greek.
_SYMBOL = re.compile("(?<![α-ω])[α-ω](?![α-ω])")
_POSSESSIVE = re.compile(r"['’]s\b")
# Words joined by one mark: TNF-alpha, and/or, HLA-B*27:05. A plus may end them: CD4+.
_NAME = re.compile(r"[^\W_]+(?:[-/*:·‐-―−][^\W_]+)*\+?")
_PART = re.compile(r"[^\W_]+")
_LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")
_MOST_PARTS = 6  # of what is still one name: "interleukin-1-receptor-type-2"
_LONGEST = 60  # characters; what is longer is a sequence or a file's bytes, and is left as it is
_MOST_KEPT = 300_000  # spellings whose words are remembered, some 90 MB


T = TypeVar("T")
# Of a spelling: its words, its first part if that is one character, its last part if that may
# head a name.
Spelling = tuple[tuple[T, ...], str, str]


class Words:
    """Texts -> words. Spellings seen before are looked up, which most of a text is.

    Raises:
        MissingExtra: PyStemmer is not installed.
    """

    def __init__(self) -> None:
        try:
            import Stemmer
        except ImportError as error:
            raise MissingExtra("PyStemmer", "retrieval", "Retrieval by words") from error
        self._stem: Any = Stemmer.Stemmer("english").stemWord
        self._known: dict[str, Spelling[str]] = {}

    def __call__(self, text: str) -> list[str]:
        """The words of a text, in order, as often as they come."""
        return _walk(text, self._known, self.spelling, str)

    def spelling(self, name: str) -> Spelling[str]:
        """What `_NAME` found, read; remembered."""
        known = self._known.get(name)
        if known is None:
            known = self._read(name)
            if len(name) <= _LONGEST:
                if len(self._known) >= _MOST_KEPT:
                    self._known.clear()
                self._known[name] = known
        return known

    def _read(self, name: str) -> Spelling[str]:
        parts = _PART.findall(name)
        words: list[str] = []
        for part in parts:
            if part not in _STOP:
                words.append(self._stem(part) if part.isalpha() and len(part) <= _LONGEST else part)
            if part.isalpha() or part.isdigit() or len(part) > _LONGEST:
                continue
            words += _LETTERS_OR_DIGITS.findall(part)
        if 1 < len(parts) <= _MOST_PARTS:
            words.append("".join(parts))
        if name.endswith("+"):
            words.append("".join(parts) + "+")
        short = parts[0] if len(parts[0]) == 1 else ""
        return tuple(words), short, "" if parts[-1] in _STOP else parts[-1]


class Numbered:
    """Texts -> numbers that stand for words, from 0 in the order in which words come.

    For millions of texts: a spelling is looked up once and not again word by word.

    Attributes:
        numbers: word -> its number.
    """

    def __init__(self, words: Words) -> None:
        self.numbers: dict[str, int] = {}
        self._words = words
        self._known: dict[str, Spelling[int]] = {}

    def __call__(self, text: str) -> list[int]:
        """As `Words`."""
        return _walk(text, self._known, self._spelling, self._number)

    def _number(self, word: str) -> int:
        return self.numbers.setdefault(word, len(self.numbers))

    def _spelling(self, name: str) -> Spelling[int]:
        words, short, last = self._words.spelling(name)
        known = self._known[name] = tuple(map(self._number, words)), short, last
        return known


def _walk(
    text: str,
    known: Mapping[str, Spelling[T]],
    learn: Callable[[str], Spelling[T]],
    single: Callable[[str], T],
) -> list[T]:
    """What both of the above do with a text: its names one by one, and names of two words."""
    found: list[T] = []
    before = ""
    for name in _NAME.findall(plain(text)):
        words, short, last = known.get(name) or learn(name)
        found += words
        if short and before:
            found.append(single(before + short))  # "vitamin d", "il 6"
        before = last
    return found


def plain(text: str) -> str:
    """Small letters without accents, compatibility forms and invisible marks; Greek by name.

    One spelling for what Unicode can write in several ways (NFKD), so that a
    text and its NFC, NFD and half-width forms are equal.
    """
    if not text.isascii():
        # Twice: folding case can bring back what the first has taken apart.
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        marks = [ord(c) for c in set(text) if unicodedata.category(c) in {"Mn", "Me", "Cf"}]
        text = text.translate(dict.fromkeys(marks))
        text = _SYMBOL.sub(_spelt, text)
    else:
        text = text.lower()
    return _POSSESSIVE.sub("", text) if "'" in text or "’" in text else text


def _spelt(match: re.Match[str]) -> str:
    """A Greek letter's name, a part of its own in the name that it stands in: TNFα, β2."""
    text, start, end = match.string, match.start(), match.end()
    before = "-" if start and text[start - 1].isalnum() else ""
    after = "-" if end < len(text) and text[end].isalnum() else ""
    return before + _GREEK[match[0]] + after
