"""Labels to choose from, as an instruction names them; and the same task asked another way."""

from __future__ import annotations

import re

from specializers.rouge import words
from specializers.selfspec.wording import plain

VERDICTS = frozenset({"yes", "no", "true", "false"})
_PIECE = re.compile(r"\s*(?:,|;|/|\bor\b|\band\b|,\s*(?:or|and)\b)\s*")
_BREAK = re.compile(r"[.:?!()]+(?:\s+|$)|[()]")
_LEADS = frozenset(
    {"as", "of", "from", "among", "between", "either", "is", "are", "be", "a", "an", "the", "one"}
)
_MOST = 4  # words of a label


def occurs(piece: str, text: str) -> bool:
    """Do the words of `piece` stand in `text`, one after another?"""
    return bool(words(piece)) and f" {plain(piece)} " in f" {plain(text)} "


def options(instruction: str, answer: str) -> tuple[str, ...]:
    """The list of labels in which `answer` stands, as the instruction writes it; else ().

    "Choose Positive, Negative or Neutral." with "Neutral" gives the three.
    """
    best: tuple[str, ...] = ()
    start = 0
    for end in [*(match.end() for match in _BREAK.finditer(instruction)), len(instruction)]:
        listed = instruction[:start].rstrip().endswith((":", "("))
        segment, start = instruction[start:end], end
        if not occurs(answer, segment):
            continue
        stripped = segment.strip().rstrip(".:?!()").strip()
        pieces = [piece.strip() for piece in _PIECE.split(stripped) if piece.strip()]
        found = _labels(pieces, answer, listed=listed)
        if len(found) > len(best):
            best = found
    return best


def _labels(pieces: list[str], answer: str, *, listed: bool) -> tuple[str, ...]:
    """The run of pieces that are labels like `answer`, the words that lead up to them taken off.

    Args:
        listed: nothing leads up to the first piece.
    """
    places = [n for n, piece in enumerate(pieces) if plain(piece) == plain(answer)]
    places = places or [n for n, piece in enumerate(pieces) if occurs(answer, piece)]
    first = last = places[0] if places else 0
    while last + 1 < len(pieces) and _is_label(pieces[last + 1]):
        last += 1
    while first > 0 and _is_label(pieces[first - 1]):
        first -= 1
    if first > 0:  # a sentence may lead up to the first label
        first -= 1
    # What leads up to a list stands before its first label, and nothing before that is one.
    led = [at for at in range(first, places[0] + 1 if places else 0) if _leads(pieces[at], answer)]
    first = led[-1] if led else first
    others = [answer if occurs(answer, piece) else piece for piece in pieces[first + 1 : last + 1]]
    longest = max(len(piece.split()) for piece in [answer, *others])
    run = []
    for place, piece in enumerate(pieces[first : last + 1], first):
        begins = place == first and not listed
        room = _MOST if listed else longest
        own = occurs(answer, piece)
        run.append(answer if own else _led_up(piece, answer, room, begins=begins))
    found = tuple(dict.fromkeys(label for label in run if label))
    return found if places and 2 <= len(found) <= 12 and answer in found else ()


def _leads(piece: str, answer: str) -> bool:
    """Does a piece hold words that lead up to a label: some before the answer, or of `_LEADS`?"""
    said = piece.split()
    if plain(piece).endswith(f" {plain(answer)}"):
        return True
    return answer[:1].islower() and any(word.lower() in _LEADS for word in said)


def _is_label(piece: str) -> bool:
    return 0 < len(piece.split()) <= _MOST


def _led_up(piece: str, answer: str, longest: int, *, begins: bool) -> str:
    """The label at the end of a piece: from its last capital on, or, among small ones, its end.

    "" where there is none: the other labels have a capital and this has not, or all of its words
    lead up to the list.
    """
    said = [word.strip("'\"") for word in re.sub(r"^(?:an?|the|either)\s+", "", piece).split()]
    if answer[:1].isupper():
        capitals = [place for place, word in enumerate(said) if word[:1].isupper()]
        if begins and len(capitals) > 1:  # the sentence's own first word
            capitals = [place for place in capitals if place]
        while len(capitals) > 1 and capitals[-1] - capitals[-2] == 1:  # "Family History"
            capitals.pop()
        said = said[capitals[-1] if begins or capitals[0] else 0 :] if capitals else []
        return " ".join(said) if len(said) <= max(longest, _MOST) else ""
    if begins and said[0].lower() in ("is", "are", "was", "were"):
        said = said[-longest:]  # "Is the sentence hawkish, dovish or neutral"
    elif begins:
        leads = [place for place, word in enumerate(said) if word.lower() in _LEADS]
        said = said[leads[-1] + 1 if leads else 0 :]
    return " ".join(said) if 0 < len(said) <= longest else ""


def turned(instruction: str, labels: tuple[str, ...]) -> str:
    """The instruction with the labels it names in the opposite order.

    As it is where it names fewer than two of them.
    """
    pattern = re.compile(
        "|".join(rf"\b{re.escape(label)}\b" for label in sorted(labels, key=len, reverse=True)),
        re.IGNORECASE,
    )
    found = list(pattern.finditer(instruction))
    if len({match[0].lower() for match in found}) < 2:
        return instruction
    said = iter([match[0] for match in reversed(found)])
    return pattern.sub(lambda _: next(said), instruction)


def negated(question: str) -> str:
    """The question whether the opposite holds."""
    return f"Is the answer no to this question: {question}"
