"""The wording that many documents of a task share: no evidence, yet told where texts hold it.

Up to `LeakRule.common_documents` documents may share a run of words, and it counts for each
of their items; from one more on it counts for none. So that no item leaves a report in
silence at that step, those that would be flagged if the wording counted are counted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.leaks.ngrams import Ints, NgramIndex, unbroken, window_hashes
from harness.leaks.report import LeakRule


@dataclass(frozen=True)
class Unflagged:
    """An item that would be flagged: the longest run, `begin:end` of all words, and a text that
    holds the beginning of it."""

    item: int
    begin: int
    end: int
    source: str


@dataclass
class Seen:
    """What texts held: of each distinct run the place in `sources` of the first, or -1."""

    first: Ints
    sources: list[str] = field(default_factory=list)

    def add(self, later: Seen) -> None:
        """Take up what texts held that come after these."""
        new = (self.first < 0) & (later.first >= 0)
        self.first[new] = later.first[new] + len(self.sources)
        self.sources += later.sources


class Wordings:
    """The runs of words that hold a word of a wording, each distinct one indexed once.

    Args:
        symbols: the items' words with the wording in them, beginning and ending with a break.
        common: for every window of `width` words, whether it is wording.
        text_of, item_of: of each word its text, of each text its item.
    """

    def __init__(
        self,
        symbols: Ints,
        common: NDArray[np.bool_],
        width: int,
        text_of: Ints,
        item_of: Ints,
        rule: LeakRule,
    ) -> None:
        self._text_of, self._item_of, self._rule = text_of, item_of, rule
        self._own = np.bincount(text_of[symbols != 0], minlength=len(item_of))
        self._width = width
        cut = _spread(np.flatnonzero(common), width, len(symbols))
        before = np.concatenate(([0], np.cumsum(cut)))
        windows = np.flatnonzero(unbroken(symbols, width))
        self._windows = windows[before[windows + width] > before[windows]]
        hashes = window_hashes(symbols, width)[self._windows]
        _, first, self._group = np.unique(hashes, return_index=True, return_inverse=True)
        self._groups_by_place = np.argsort(first)
        self._places = self._windows[np.sort(first)]
        self._index = NgramIndex(symbols, self._places, width, 1, width)

    def unseen(self) -> Seen:
        """What `look` fills in."""
        return Seen(np.full(len(self._places), -1, np.int64))

    def look(self, coded: Ints, starts: Ints, names: Sequence[str], seen: Seen) -> None:
        """Note the runs that texts hold; they begin in `coded` at `starts`, and have `names`."""
        if not len(self._places):
            return
        runs = self._index.find(coded)
        sources = np.searchsorted(starts, runs.found, "right") - 1
        first = np.searchsorted(self._places, runs.indexed)
        last = np.searchsorted(self._places, runs.indexed + runs.length - self._width)
        for source, begin, end in zip(sources.tolist(), first.tolist(), last.tolist(), strict=True):
            groups = self._groups_by_place[begin : end + 1]
            new = groups[seen.first[groups] < 0]
            if len(new):
                seen.first[new] = len(seen.sources)
                seen.sources.append(names[source])

    def unflagged(self, seen: Seen, held: Mapping[int, int]) -> list[Unflagged]:
        """The items that would be flagged if what was seen counted beside what counts.

        Args:
            held: by item, how many of its other words one text holds.
        """
        windows = self._windows[seen.first[self._group] >= 0]
        mask = _spread(windows, self._width, len(self._text_of))
        covered = np.bincount(self._text_of[mask], minlength=len(self._own))
        edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
        longest: dict[int, Unflagged] = {}
        for begin, end in edges.reshape(-1, 2).tolist():
            text = int(self._text_of[begin])
            item = int(self._item_of[text])
            together = covered[text] + held.get(item, 0)
            own = int(self._own[text])
            if end - begin < self._rule.long_run(own) and together < self._rule.enough(own):
                continue
            if item not in longest or end - begin > longest[item].end - longest[item].begin:
                group = self._group[np.searchsorted(self._windows, begin)]
                longest[item] = Unflagged(item, begin, end, seen.sources[seen.first[group]])
        return list(longest.values())


def _spread(windows: Ints, width: int, length: int) -> NDArray[np.bool_]:
    """Of each word, whether it lies in one of the windows."""
    mask = np.zeros(length, np.bool_)
    for step in range(width):
        mask[windows + step] = True
    return mask
