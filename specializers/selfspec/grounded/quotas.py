"""How many examples of each type, label and length there are to be; and which are still missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specializers.selfspec.grounded.frames import Frame

# Bands of an answer's length: the most words of each.
BANDS: Mapping[str, int] = {"short": 3, "phrase": 20, "sentence": 40, "paragraph": 10**9}
LONG = 20  # words: more are a sentence or a paragraph
# An epoch shows an example of a type that is short of its share at most so often.
MOST_TIMES = 5


def band(answer: str) -> str:
    """The band that an answer's length falls in."""
    count = len(answer.split())
    return next(name for name, most in BANDS.items() if count <= most)


def type_quotas(
    frames: Mapping[str, Sequence[Frame]],
    seeds: Mapping[str, int],
    examples: int,
    long_share: float,
) -> dict[str, int]:
    """Examples of each type: the seeds' shares, those with long answers raised to `long_share`.

    Types without a mould have none. What does not come out even goes to the largest remainders.
    """
    weights = {kind: float(seeds[kind]) for kind, group in frames.items() if group}
    long = {kind for kind in weights if is_long(frames[kind])}
    total, given = sum(weights.values()), sum(weights[kind] for kind in long)
    if long and given < long_share * total and given < total:
        raised = long_share / (1 - long_share) * (total - given) / given
        weights |= {kind: weights[kind] * raised for kind in long}
    return largest_remainders(weights, examples)


def is_long(frames: Sequence[Frame]) -> bool:
    """Do half of a type's answers or more have over 20 words?"""
    return 2 * sum(len(frame.seed.output.split()) > LONG for frame in frames) >= len(frames) > 0


def largest_remainders(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers that sum to `total` in the proportions of `weights` (Hamilton's method)."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()} if whole else {}
    found = {name: int(share) for name, share in exact.items()}
    left = total - sum(found.values()) if found else 0
    for name in sorted(exact, key=lambda name: found[name] - exact[name])[:left]:
        found[name] += 1
    return found


def repeats(types: Sequence[str], seeds: Mapping[str, int]) -> list[int]:
    """How often an epoch shows each example, so that a type for which little is written comes
    near the seeds' share of it all the same; at most `MOST_TIMES`.

    Args:
        types: of each example; one that no seed has ("" or a reading task's) is shown once.
        seeds: seeds of each type.
    """
    there, total = Counter(types), sum(seeds.values())
    times = {
        kind: min(MOST_TIMES, max(1, round(len(types) * seeds.get(kind, 0) / (total * count))))
        for kind, count in there.items()
    }
    return [times[kind] for kind in types]


@dataclass(frozen=True)
class Cell:
    """A type, or a label of it in one set of labels."""

    kind: str
    labels: tuple[str, ...] = ()
    label: str = ""


class Quotas:
    """Counts what is kept against what there is to be.

    A label is kept at most as often as its even share of its type, one more for what does not
    come out even.
    """

    def __init__(self, wanted: Mapping[str, int]) -> None:
        self.wanted = dict(wanted)
        self.kept: Counter[str] = Counter()
        self._cells: Counter[Cell] = Counter()

    def missing(self, kind: str) -> int:
        """Examples of a type that are still to be made."""
        return max(0, self.wanted.get(kind, 0) - self.kept[kind])

    def room(self, cell: Cell) -> bool:
        """May one more of this be kept?"""
        if not self.missing(cell.kind):
            return False
        return not cell.label or self._cells[cell] < self._share(cell)

    def take(self, cell: Cell) -> None:
        """Count one that is kept."""
        self.kept[cell.kind] += 1
        self._cells[cell] += 1

    def _share(self, cell: Cell) -> int:
        return -(-self.wanted[cell.kind] // max(1, len(cell.labels)))


def uneven(rows: Sequence[tuple[str, tuple[str, ...], str]]) -> list[int]:
    """Places of the rows to leave out so that no label is kept oftener than its rarest fellow.

    One more is let pass. Sets of labels that only one type's single mould has (rarest not kept at
    all, because there are fewer rows than labels) are held to one row a label.

    Args:
        rows: (type, its set of labels, label) of each row in order; labels () is left alone.
    """
    counts: dict[tuple[str, tuple[str, ...]], Counter[str]] = {}
    for kind, labels, label in rows:
        if labels:
            counts.setdefault((kind, tuple(sorted(labels))), Counter())[label] += 1
    out: list[int] = []
    seen: Counter[tuple[str, tuple[str, ...], str]] = Counter()
    for place, (kind, labels, label) in enumerate(rows):
        if not labels:
            continue
        group = kind, tuple(sorted(labels))
        rarest = min(counts[group][one] for one in labels)
        seen[(*group, label)] += 1
        if seen[(*group, label)] > rarest + 1:
            out.append(place)
    return out
