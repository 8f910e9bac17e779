"""Tasks mined from raw text by its connectives and its structure; no model writes anything.

The idea is that of reading comprehension from raw texts (Cheng et al. 2023, arXiv 2309.09530);
patterns, kinds and wordings are our own. Answers are pieces of the text, so they are as true as
it is; labels come from the connective that joined two sentences, or from which text a sentence is
taken.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from specializers.corpus.sentences import sentences

# What a mined task needs of a text, in words.
FEWEST, MOST = 5, 60
_LABELS = {
    "follows": ("therefore", "thus", "hence", "consequently", "as a result"),
    "contrasts": ("however", "in contrast", "by contrast", "nevertheless", "conversely"),
    "adds": ("moreover", "furthermore", "in addition", "additionally", "also", "similarly"),
}
_CONNECTIVE = {word: label for label, words in _LABELS.items() for word in words}
_JOINED = re.compile(rf"(?i)({'|'.join(map(re.escape, _CONNECTIVE))}),?\s+(?=\w)")
_CAUSE = re.compile(
    r"(?i)\b(?:because(?: of)?|due to|as a result of|owing to|caused by)\s+([^.;:()]+?)"
    r"(?=,\s(?:and|but|so|while|which|who)\b|\.?$|;)"
)
_DEFINED = re.compile(r"(?:An?\s+|The\s+)?([A-Za-z][\w-]*(?:\s[\w-]+){0,3})\sis\san?\s\w+")
_PRONOUNS = frozenset(
    {"it", "this", "that", "these", "those", "there", "he", "she", "they", "we", "one", "which"}
    | {"what", "price", "result", "aim", "goal", "risk", "exception"}  # of what was said before
)
_SUCH_AS = re.compile(r"\b((?:[\w-]+\s){0,2}[\w-]+s),?\s(?:such as|including)\s([^.;:()]+)")
_ITEM = re.compile(r",\s*(?:and\s|or\s)?|\s(?:and|or)\s")
_ABBREVIATION = re.compile(r"\(([A-Za-z][A-Za-z0-9-]{1,9})\)")
_CONCLUDES = re.compile(
    r"(?i)(?:in conclusion|we conclude|these (?:results|findings|data)|our (?:results|findings)|"
    r"overall|taken together|thus|therefore|in summary)\b"
)

WORDINGS: dict[str, tuple[str, ...]] = {
    "inference": (
        "How does the second statement relate to the first: follows, contrasts or adds?",
        "Read both statements and say whether the second follows from the first, contrasts with "
        "it or adds to it. Answer follows, contrasts or adds.",
        "Label the relation of statement 2 to statement 1 as follows, contrasts or adds.",
    ),
    "stated": (
        "Does the text state the sentence? Answer true or false.",
        "Decide from the text alone whether the statement stands in it. Write true or false.",
        "Is this said in the text? Answer with true or false.",
    ),
    "cause": (
        "Name the cause that the sentence gives.",
        "What is the reason, according to the sentence?",
        "Copy the words of the sentence that tell the cause.",
    ),
    "list": (
        "List the examples that the sentence gives, separated by commas.",
        "Which examples are named in the sentence? Separate them by commas.",
        "Extract all examples from the sentence, with commas between them.",
    ),
    "abbreviation": (
        "What does the abbreviation stand for?",
        "Give the long form of the abbreviation, as the sentence has it.",
        "Spell out the abbreviation.",
    ),
    "definition": (
        "Explain in a sentence what the term means.",
        "Define the term.",
        "What is meant by the term? Answer in one sentence.",
    ),
    "conclusion": (
        "Write the conclusion that follows from the text.",
        "What follows from what the text reports? Answer in a sentence or two.",
        "State what the text leads to.",
    ),
    "continuation": (
        "Continue the text with what follows next.",
        "Write the sentences that come after this text.",
        "How does the text go on?",
    ),
    "title": (
        "Give the text a title.",
        "Write a title that says what the text is about.",
        "Sum up the text in a title.",
    ),
}
KINDS = tuple(WORDINGS)


@dataclass(frozen=True)
class Mined:
    """A task found in a text: its kind (of `KINDS`), what is shown, the answer, and from where."""

    kind: str
    input: str
    output: str
    document: str


def mine(document: str, title: str, text: str, others: Sequence[str]) -> list[Mined]:
    """All tasks that a text holds, in the order of `KINDS` and of the text.

    Args:
        document: the passage's id.
        others: sentences of other texts, for what a text does not state.
    """
    pieces = [" ".join(text[start:stop].split()) for start, stop in sentences(text)]
    whole = " ".join(pieces)
    found: dict[str, Iterator[tuple[str, str]]] = {
        "inference": _inference(pieces),
        "stated": _stated(pieces, others, document),
        "cause": _over(pieces, _cause),
        "list": _over(pieces, _examples),
        "abbreviation": _over(pieces, _abbreviation),
        "definition": _over(pieces, _definition),
        "conclusion": _conclusion(pieces),
        "continuation": _continuation(pieces),
        "title": iter([(whole, title)] if title and len(pieces) > 1 else []),
    }
    return [
        Mined(kind, shown, answer, document)
        for kind in KINDS
        for shown, answer in found[kind]
        if shown and answer
    ]


def _over(
    pieces: Sequence[str], find: Callable[[str], tuple[str, str] | None]
) -> Iterator[tuple[str, str]]:
    for piece in pieces:
        if _fits(piece) and (found := find(piece)):
            yield found


def _fits(piece: str) -> bool:
    return FEWEST <= len(piece.split()) <= MOST


def _inference(pieces: Sequence[str]) -> Iterator[tuple[str, str]]:
    for first, second in pairwise(pieces):
        match = _JOINED.match(second)
        if match and _fits(first) and _fits(second):
            bare = second[match.end() :]
            shown = f"Statement 1: {first}\nStatement 2: {bare[0].upper()}{bare[1:]}"
            yield shown, _CONNECTIVE[match[1].lower()]


def _stated(
    pieces: Sequence[str], others: Sequence[str], document: str
) -> Iterator[tuple[str, str]]:
    """One true and one false statement of a text of three sentences or more."""
    whole = " ".join(pieces)
    rng = random.Random(document)
    own = [piece for piece in pieces if _fits(piece)]
    foreign = [piece for piece in others if _fits(piece) and piece not in whole]
    if len(pieces) < 3 or not own or not foreign:
        return
    for statement, label in ((rng.choice(own), "true"), (rng.choice(foreign), "false")):
        yield f"Text: {whole}\nStatement: {statement}", label


def _cause(piece: str) -> tuple[str, str] | None:
    match = _CAUSE.search(piece)
    if not match or not 1 < len(match[1].split()) <= 20:
        return None
    return piece, match[1].strip()


def _examples(piece: str) -> tuple[str, str] | None:
    match = _SUCH_AS.search(piece)
    # With fewer words before them they are examples of the subject, and its verb follows.
    if not match or len(piece[: match.end(1)].split()) < 3:
        return None
    items = [item.strip() for item in _ITEM.split(match[2])]
    # What follows an enumeration may go on as a sentence; then some item is long.
    sound = len(items) > 1 and all(item and len(item.split()) <= 3 for item in items)
    return (piece, ", ".join(items)) if sound else None


def _abbreviation(piece: str) -> tuple[str, str] | None:
    """A long form before its short form in brackets.

    Each letter of the short form is looked for from the end, its first at the beginning of a
    word. Source of the rule: Schwartz and Hearst 2003, "A simple algorithm for identifying
    abbreviation definitions in biomedical text".
    """
    for match in _ABBREVIATION.finditer(piece):
        short = match[1]
        before = piece[: match.start()].rstrip()
        place = len(before)
        for number, letter in enumerate(reversed([c for c in short if c.isalnum()])):
            first = number == sum(c.isalnum() for c in short) - 1
            place = _letter(before, letter, place, first)
            if place < 0:
                break
        words = before[place:].split() if place >= 0 else []
        enough = len(words) <= min(len(short) + 5, 2 * len(short))
        if words and enough and len(" ".join(words)) > len(short) and short not in words:
            return f"Sentence: {piece}\nAbbreviation: {short}", " ".join(words)
    return None


def _letter(text: str, letter: str, before: int, begins_word: bool) -> int:
    """The last place of a letter left of `before`; -1 where there is none."""
    for place in range(before - 1, -1, -1):
        starts = place == 0 or not text[place - 1].isalnum()
        if text[place].lower() == letter.lower() and (starts or not begins_word):
            return place
    return -1


def _definition(piece: str) -> tuple[str, str] | None:
    match = _DEFINED.match(piece)
    if not match or match[1].split()[0].lower() in _PRONOUNS:
        return None
    return f"Term: {match[1]}", piece


def _conclusion(pieces: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(pieces) > 2 and _CONCLUDES.match(pieces[-1]) and _fits(pieces[-1]):
        yield " ".join(pieces[:-1]), pieces[-1]


def _continuation(pieces: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The last third, at most three sentences, of what has no conclusion to be asked for."""
    rest = pieces[-max(1, min(3, len(pieces) // 3)) :]
    if len(pieces) > 2 and not _CONCLUDES.match(pieces[-1]) and _fits(rest[0]):
        yield " ".join(pieces[: -len(rest)]), " ".join(rest)
