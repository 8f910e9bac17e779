"""What a model says whichever way it is asked: votes over samples, and over labels.

A text answer is asked for several times, and what most samples say is kept, item by item where
there are items (Wang et al. 2023, arXiv 2203.11171; SELF-GUIDE, arXiv 2407.12874: the most frequent
where its share is large enough). Labels are not sampled: their probabilities are computed, as the
samples' limit, with the options in one order and in the other, and against the mean of all
questions of the type, so that what a model says to anything does not count (batch calibration, Zhou
et al. 2023, arXiv 2309.17249). Half of the questions were written for each label: the mean is fair.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from specializers.selfspec.grounded.frames import MENTION, TAG, items
from specializers.selfspec.grounded.labels import occurs
from specializers.selfspec.wording import plain


@dataclass(frozen=True)
class Verdict:
    """What the votes came to; "" where no answer has enough of them. share: of the votes, 0..1."""

    answer: str
    share: float


def vote_span(samples: Sequence[str], share: float) -> Verdict:
    """The most frequent answer, but for case and punctuation; ties to the shortest, then first."""
    given = [sample for sample in samples if plain(sample)]
    if not given:
        return Verdict("", 0.0)
    counts = Counter(plain(sample) for sample in given)
    most = max(counts, key=lambda said: (counts[said], -len(said)))
    first = next(sample for sample in given if plain(sample) == most)
    part = counts[most] / len(samples)
    return Verdict(first.strip().rstrip("."), part) if part >= share else Verdict("", part)


def vote_items(samples: Sequence[str], share: float) -> Verdict:
    """The items that enough samples name, as the first of them writes and orders them.

    The share is that of the weakest item kept.
    """
    counts: Counter[str] = Counter()
    written: dict[str, str] = {}
    for sample in samples:
        named = {plain(item): item for item in items(sample) if plain(item)}
        counts.update(named.keys())
        written = {**named, **written}
    kept = [name for name in written if counts[name] >= share * len(samples)]
    kept.sort(key=lambda name: -counts[name])
    least = min((counts[name] for name in kept), default=0) / max(len(samples), 1)
    return Verdict(", ".join(written[name] for name in kept), least)


def vote_mentions(
    samples: Sequence[str], instruction: str, text: str, share: float
) -> tuple[Verdict, int]:
    """Typed mentions that enough samples name and the text holds, in the text's order.

    Returns:
        the verdict, "None" where enough samples say that there is none; how many pieces named a
        mention that is not in the text, or a type that the instruction does not ask for.
    """
    asked = set(TAG.findall(instruction))
    counts: Counter[tuple[str, str]] = Counter()
    none = strangers = 0
    for sample in samples:
        found = set()
        pieces = [piece for piece in sample.replace("\n", ",").split(",") if piece.strip()]
        none += len(pieces) == 1 and plain(pieces[0]) == "none"
        for piece in pieces:
            match = MENTION.fullmatch(piece.strip().rstrip("."))
            if match and occurs(match[1], text) and (not asked or match[2] in asked):
                found.add((plain(match[1]), match[2]))
            elif plain(piece) != "none":
                strangers += 1
        counts.update(found)
    if none >= share * len(samples) and none:
        return Verdict("None", none / len(samples)), strangers
    kept = {pair: count for pair, count in counts.items() if count >= share * len(samples)}
    placed = sorted((_place(name, text), name, tag) for name, tag in kept)
    outer = [(at, name, tag) for at, name, tag in placed if not _inside(name, kept)]
    said = [f"{text[at[0] : at[1]]} <{tag}>" for at, _, tag in outer]
    least = min(kept.values(), default=0) / max(len(samples), 1)
    return Verdict(", ".join(said), least), strangers


def _place(name: str, text: str) -> tuple[int, int]:
    """Where the words of a mention stand in the text."""
    import re

    pattern = r"[^a-z0-9]+".join(map(re.escape, name.split()))
    match = re.search(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])", text.lower())
    return (match.start(), match.end()) if match else (len(text), len(text))


def _inside(name: str, kept: Sequence[tuple[str, str]] | dict[tuple[str, str], int]) -> bool:
    """Is the mention a part of a longer one that is kept?"""
    return any(name != other and occurs(name, other) for other, _ in kept)


FEWEST = 4


def calibrated(logs: Sequence[Sequence[float]]) -> list[list[float]]:
    """Probabilities of labels, one row a question, after the mean log-probability of each label
    over all the questions is taken off; raw where there are fewer than `FEWEST` questions.

    Args:
        logs: log-probabilities in nats, a row a question, a column a label.
    """
    if not logs:
        return []
    mean = [sum(column) / len(logs) for column in zip(*logs, strict=True)]
    off = mean if len(logs) >= FEWEST else [0.0] * len(mean)
    rows = []
    for row in logs:
        left = [value - less for value, less in zip(row, off, strict=True)]
        top = max(left)
        weights = [math.exp(value - top) for value in left]
        rows.append([weight / sum(weights) for weight in weights])
    return rows
