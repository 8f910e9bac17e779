"""Which texts of the corpus suit a task type: a rule without a judge, read off the type's seeds.

A text suits where it is about as long as those of the seeds and shows what nearly all of them
show: numbers, names, a reason, a writer who speaks of themselves. What no text of the corpus shows
is told, and what is done instead.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from specializers.corpus.open import drawn
from specializers.corpus.sentences import sentences
from specializers.selfspec.draws import seed_for
from specializers.selfspec.grounded.checks import spoken
from specializers.selfspec.grounded.frames import Frame

# Passages that are looked through: more change no rule, and a corpus may hold millions.
_POOL = 2000
_NEARLY_ALL = 0.75  # of a type's seeds
_SHORTEST, _LONGEST = 0.6, 1.6  # of the seeds' own lengths
_NAME = re.compile(
    r"(?<=[a-z,;] )[A-Z][\w-]+|\b\w*[a-z]\w*[A-Z]\w*|\b[A-Z][A-Z0-9-]+\b|\b\w+-\d+\b"
)
FIRST_PERSON = "the first person"
_SPOKEN = 2  # labels of a set, of which a text speaks
_ENOUGH = 8  # texts; with fewer a type would see the same ones again and again
FEATURES: Mapping[str, re.Pattern[str]] = {
    "two numbers": re.compile(r"\d.*?\b\d", re.DOTALL),
    "a name": _NAME,
    "a reason or a contrast": re.compile(
        r"\b(?:because|since|so|thus|therefore|hence|although|however|but|whereas|while|despite"
        r"|conclu\w+|suggest\w*|show\w*|lead\w*|caus\w+|due)\b",
        re.IGNORECASE,
    ),
    FIRST_PERSON: re.compile(
        r"\b(?:[Mm]y|me|I'(?:m|ve)|I (?:[a-z]+ed|am|was|ha[dv]e?|felt|took|think))\b"
    ),
}


@dataclass(frozen=True)
class Text:
    """A run of whole sentences of one passage."""

    passage: str
    text: str


@dataclass(frozen=True)
class Suited:
    """The texts of a task type, best first.

    Attributes:
        texts: () where texts of this kind are not in the corpus at all.
        wanted: what nearly all of the seeds' texts show. found: texts that show all of it.
        lacking: what the corpus has too little of, "" where it has enough.
    """

    texts: tuple[Text, ...]
    wanted: tuple[str, ...]
    found: int
    lacking: str

    def __getitem__(self, place: int) -> Text:
        return self.texts[place % len(self.texts)]


def passages(corpus: Path, seed: int) -> list[tuple[str, str]]:
    """(id, text) of at most 2,000 passages drawn evenly in one pass, in a drawn order."""
    rng = random.Random(seed_for("passages", seed))
    kept = [(row["id"], row["text"]) for row in drawn(corpus, _POOL, rng)]
    rng.shuffle(kept)
    return kept


def suited(
    kind: str, frames: Sequence[Frame], pool: Sequence[tuple[str, str]], most: int, seed: int
) -> Suited:
    """The texts of the pool that suit a task type, one a passage.

    Args:
        most: words of a text at most.
    """
    shown = [frame.text for frame in frames if frame.text]
    wanted = tuple(
        name
        for name, rule in FEATURES.items()
        if shown and sum(bool(rule.search(text)) for text in shown) >= _NEARLY_ALL * len(shown)
    )
    lengths = [len(text.split()) for text in shown] or [60]
    rng = random.Random(seed_for("texts", seed, kind))
    order = list(pool)
    rng.shuffle(order)
    longest = min(max(lengths) * _LONGEST, most)
    runs = [
        Text(name, run)
        for name, text in order
        if (run := _run(text, min(rng.choice(lengths), most), longest, rng))
    ]
    full = [run for run in runs if all(FEATURES[name].search(run.text) for name in wanted)]
    if len(full) >= min(_ENOUGH, len(runs)) and full:
        return Suited(tuple(full), wanted, len(full), "")
    lacking = f"{len(full)} texts of the corpus show {' and '.join(wanted)}"
    if FIRST_PERSON in wanted:
        return Suited((), wanted, len(full), lacking)
    if not runs:
        return Suited((), wanted, 0, f"no text of the corpus has about {min(lengths)} words")
    rest = [run for run in runs if run not in full]
    return Suited((*full, *rest), wanted, len(full), f"{lacking}; others are taken too")


def suits(frame: Frame, text: str) -> bool:
    """Whether a text speaks of two of the labels of which a mould takes a set.

    A set of labels is made for its own kind of text: over another, whatever is chosen is wrong.
    Of other moulds nothing is asked.
    """
    offered = frame.offered
    return len(spoken(offered, text)) >= min(_SPOKEN, len(offered))


def _run(text: str, wished: int, longest: float, rng: random.Random) -> str:
    """Whole sentences of about so many words, beginning anywhere; "" where there are none."""
    spans = list(sentences(" ".join(text.split())))
    text = " ".join(text.split())
    for start in _starts(len(spans), rng):
        count, end = 0, start
        while end < len(spans) and count < _SHORTEST * wished:
            count += len(text[slice(*spans[end])].split())
            end += 1
        if _SHORTEST * wished <= count <= longest:
            return text[spans[start][0] : spans[end - 1][1]]
    return ""


def _starts(count: int, rng: random.Random) -> Iterator[int]:
    first = rng.randrange(count) if count else 0
    yield from range(first, count)
    yield from range(first)
