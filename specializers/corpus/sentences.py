"""Where sentences end, for English scientific prose.

Rules instead of a model: nothing to download, the same answer everywhere, time
linear in the text, and only spans are returned, so that no text can be lost.
(pySBD rewrites text and hangs on long numbers, its issues 76 and 83; NLTK's
Punkt needs a download.) A missed end makes a passage a little less even, a
false one cuts a thought in two: where it is unclear there is no end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A full stop after these never ends a sentence.
_NEVER = _words("e.g i.e eg ie cf vs v viz approx ca dr mr mrs ms prof st resp incl")
# These stand before a number, letter or bracket: "Fig. 2", "No. 7", "Table S. 1".
_BEFORE_NUMBER = _words(
    "fig figs no nos eq eqs ref refs vol vols p pp ch chap sec sect tab suppl art ed"
)
# These may end a sentence; they do before a word that often begins one.
_MAY_END = _words(
    "al etc inc ltd co corp jr sr sp spp subsp ssp var cv dept univ max min temp wt mol "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_OPENERS = _words(
    "a an the this that these those we our they their it its he she his her i in on at of to for "
    "from with by as after before during both all each most many some such no not but and or if "
    "when while although though because since however moreover furthermore therefore thus hence "
    "finally additionally here there patients results methods conclusion conclusions background "
    "objective treatment compared among overall"
)
_END = re.compile(
    r"""[.!?]+                      # the mark
        (?:\[[\d,;\s–-]{1,20}\])?   # a reference: "shown.[12]"
        ["'”’»)\]]*                 # what closes after it
        [^\S\n]+(?=\S)              # blanks, and something that follows
      | [。！？]+                    # needs no blank
      | \n+                         # a paragraph ends""",
    re.X,
)
_WORD = re.compile(r"\S+")
_WHOLE = re.compile(r"(?<!\b[A-Z])(?<!\be\.g)(?<!\bi\.e)[.!?][\"')\]]*(?=\s|$)")
_CLOSERS = "\"'”’»)]"
_OPENING = "\"'“‘«([¿¡"


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the sentences, in order, without the blanks around them.

    Between two spans there are blanks alone. A line break always ends a
    sentence: hand over one paragraph a line.
    """
    start = 0
    for match in _END.finditer(text):
        if match.end() > start and _ends(text, start, match):
            yield from _stripped(text, start, match.end())
            start = match.end()
    yield from _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if stripped := piece.strip():
        first = start + len(piece) - len(piece.lstrip())
        yield first, first + len(stripped)


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    mark = match[0][0]
    if mark in "\n。！？":
        return True
    following = _WORD.match(text, match.end())
    word = following[0].lstrip(_OPENING) if following else ""
    if not word or not _may_begin(word):
        return False
    if mark in "!?":
        return True
    before = text[max(start, text.rfind(" ", start, match.start()) + 1) : match.start()]
    before = before.lstrip(_OPENING)
    return _stop_ends(before, word, begins=text[start : match.start()].strip() == before)


def _may_begin(word: str) -> bool:
    """Whether a sentence may begin so: no small letter, unless as in p53, mRNA or pH."""
    if word[0].islower():
        return any(letter.isdigit() or letter.isupper() for letter in word[1:])
    return word[0].isalnum()


def _stop_ends(before: str, word: str, *, begins: bool) -> bool:
    """Whether a full stop between these two words ends a sentence.

    Args:
        begins: `before` is all there is of the sentence so far.
    """
    lowered = before.lower()
    opener = re.split(r"\W", word.lower(), maxsplit=1)[0] in _OPENERS and not word[0].islower()
    if lowered in _NEVER:
        return False
    if lowered in _BEFORE_NUMBER:
        return not (word[0].isdigit() or len(word.rstrip(".,;:)")) == 1)
    if begins and (before.isdigit() or len(before) == 1):  # "1. Introduction", "E. coli"
        return False
    # Initials, "U.S.", "i.v.", "E. Coli"; but "hepatitis B. The ..." ends.
    dotted = "." in before and all(len(part) <= 2 for part in before.split("."))
    if lowered in _MAY_END or dotted or (len(before) == 1 and before.isalpha()):
        return opener
    return True


def whole_sentences(text: str) -> str:
    """A text that was cut, up to the end of its last whole sentence; "" where there is none."""
    ends = [match.end() for match in _WHOLE.finditer(text)]
    return text[: ends[-1]].rstrip() if ends else ""
