"""Is an answer borne out by its text? Rules without a judge; each refusal names its filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from specializers.rouge import words
from specializers.selfspec.answer_filters import judge_answer
from specializers.selfspec.filters import Refusal
from specializers.selfspec.grounded.frames import Form, items
from specializers.selfspec.grounded.labels import occurs, options
from specializers.selfspec.wording import plain

# Shorter words carry grammar more than matter.
_CONTENT = 5  # letters
_ENDING = 3  # letters in which two forms of a word differ
_ECHO = 5  # words in a row that a demonstration's answer has as well
_FEWEST_OPTIONS = 3  # of two, both may well hold


def judge_grounded(
    form: Form, within: str, instruction: str, input_text: str, source: str, answer: str,
    *, cover: float, fewest: int, most: int, shown: Sequence[str] = (),
) -> Refusal | None:  # fmt: skip
    """None if an answer is of its form and stands in its text, else the first fault.

    Args:
        within: where the type's answers stand ("input", "instruction" or "").
        source: the text the task was made from, in the input or not.
        cover: share of a long answer's content words that the text must hold.
        fewest, most: words an answer of this type has.
        shown: the answers of the demonstrations.
    """
    if form != "label" and not words(answer):
        return Refusal("votes", "no answer has enough of the votes")
    # A label is one of the labels, by its probability; a mention was looked up in the text.
    if form in ("label", "mentions"):
        return None
    count = len(answer.split())
    if not fewest <= count <= most:
        return Refusal("answer_length", f"{count} words, not {fewest} to {most}")
    if form == "free":
        return (
            judge_answer(instruction, input_text, answer)
            or _long(source, answer, cover)
            or _echo(source, answer, shown)
        )
    if within:
        return _short(form, within, instruction, source, answer)
    return judge_answer(instruction, input_text, answer, extracts=True)


def _short(form: Form, within: str, instruction: str, source: str, answer: str) -> Refusal | None:
    where = instruction if within == "instruction" else source
    pieces = items(answer) if form == "list" else [answer]
    if len(pieces) != len({plain(piece) for piece in pieces}):
        return Refusal("loop", "an item comes twice")
    if missing := [piece for piece in pieces if not occurs(piece, where)]:
        return Refusal("ungrounded", f"'{missing[0][:40]}' is not in the {within}")
    if within == "instruction":
        named = options(where, pieces[0])
        if len(named) >= _FEWEST_OPTIONS and {*map(plain, named)} <= {*map(plain, pieces)}:
            return Refusal("label", f"names all {len(named)} that it could choose from")
        said = spoken(pieces, source) if form == "list" else pieces
        if wrong := [piece for piece in pieces if piece not in said]:
            return Refusal("ungrounded", f"the text does not speak of '{wrong[0][:40]}'")
    return None


def _echo(source: str, answer: str, shown: Sequence[str]) -> Refusal | None:
    said, told = words(answer), f" {plain(source)} "
    theirs = [f" {plain(other)} " for other in shown]
    for start in range(len(said) - _ECHO + 1):
        run = f" {' '.join(said[start : start + _ECHO])} "
        if run not in told and any(run in other for other in theirs):
            return Refusal("echo", f"'{run.strip()}' is a demonstration's")
    return None


def _long(source: str, answer: str, cover: float) -> Refusal | None:
    if source and len(words(answer)) > _CONTENT and occurs(answer, source):
        return Refusal("copied", "the answer is a piece of the text")
    share = covered(answer, source)
    if source and share < cover:
        return Refusal("ungrounded", f"{100 * share:.0f} % of its content words are in the text")
    return None


def spoken(labels: Iterable[str], source: str) -> set[str]:
    """The labels of which a text has the content words; one of short words alone it says whole.

    A word may end otherwise ("infection", "infected"), and is no other that begins like it
    ("proteins", "proteinuria").
    """
    there: dict[str, set[str]] = defaultdict(set)
    for word in words(source):
        there[word[:_CONTENT]].add(word)

    def said(label: str) -> bool:
        content = [word for word in words(label) if len(word) >= _CONTENT]
        if not content:
            return occurs(label, source)
        return all(any(_inflected(w, o) for o in there.get(w[:_CONTENT], ())) for w in content)

    return {label for label in labels if said(label)}


def _inflected(word: str, other: str) -> bool:
    stem = max(len(word), len(other)) - _ENDING
    return word[:stem] == other[:stem]


def covered(answer: str, source: str) -> float:
    """The share of an answer's content words that the text holds; 1 where it has none."""
    content = [word for word in words(answer) if len(word) >= _CONTENT]
    there = {word[:_CONTENT] for word in words(source)}  # "reduced" bears out "reduces"
    return sum(word[:_CONTENT] in there for word in content) / len(content) if content else 1.0
