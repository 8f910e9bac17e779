"""The prefix forest of a job, and the plan of forward passes over it.

An evaluation asks for many sequences that begin alike: the shots, then the
document, then one of several answers. Sorted, such sequences form a forest in
which a node is one token after one particular past. A model has to see each
node once; the plan is made so that it does.

No tree is built. Sorted sequences and the length each shares with its left
neighbour say everything: the nodes below depth d of the sequences lo..hi are
counted with prefix sums, and the children of a root lie between the places
where that shared length equals the root's depth. This needs four bytes a token
asked and some 100 bytes a sequence, whatever the shape of the forest.

Pure numpy: the planner is tested, and measured, without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Token ids as big-endian words: comparing the bytes compares the sequences.
WORD = np.dtype(">u4")


class Forest:
    """Token sequences in lexicographic order, with the length shared by neighbours.

    Attributes:
        order: order[s] is the index, as given, of the sequence at sorted place s.
        length: tokens of the sequence at each sorted place.
        shared: tokens it has in common with the one before it (0 for the first).
        nodes: distinct nodes, the least any engine can compute.
        asked: tokens of all sequences, nothing shared.
    """

    def __init__(self, sequences: Iterable[Sequence[int]]) -> None:
        keys = [np.asarray(sequence, dtype=WORD).tobytes() for sequence in sequences]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        self.order: Ints = np.array(order, dtype=np.int64)
        self._keys = [keys[i] for i in order]
        self.length: Ints = np.array([len(key) // 4 for key in self._keys], dtype=np.int64)
        self.shared: Ints = np.zeros(len(keys), dtype=np.int64)
        for s in range(1, len(keys)):
            self.shared[s] = _common(self._keys[s - 1], self._keys[s]) // 4
        # fresh[s]: nodes that the sequences before s bring in.
        self._fresh: Ints = np.concatenate([[0], np.cumsum(self.length - self.shared)])
        self.nodes = int(self._fresh[-1])
        self.asked = int(self.length.sum())

    def __len__(self) -> int:
        return len(self._keys)

    def tokens(self, s: int, start: int, stop: int) -> Ints:
        """Tokens `start` to `stop` of the sequence at sorted place s."""
        return np.frombuffer(self._keys[s][4 * start : 4 * stop], dtype=WORD).astype(np.int64)

    def count(self, waiting: Bools) -> tuple[int, int]:
        """Tokens and distinct nodes of the sequences whose sorted places are `waiting`."""
        places = np.flatnonzero(waiting)
        if not len(places):
            return 0, 0
        asked = int(self.length[places].sum())
        # What two waiting neighbours share is the least that any two between them share.
        shared = np.minimum.reduceat(np.append(self.shared, 0), places + 1)[:-1]
        return asked, asked - int(shared.sum())

    def size(self, lo: int, hi: int, depth: int) -> int:
        """Nodes below `depth` of the sequences lo..hi, which share at least `depth` tokens."""
        inner = int(self._fresh[hi] - self._fresh[lo + 1])
        return int(self.length[lo]) - depth + inner

    def common(self, lo: int, hi: int) -> int:
        """Tokens shared by all sequences lo..hi."""
        if hi - lo == 1:
            return int(self.length[lo])
        return int(self.shared[lo + 1 : hi].min())

    def children(self, lo: int, hi: int, depth: int) -> list[tuple[int, int]]:
        """Ranges that differ at `depth`, without sequences that end there."""
        cuts = np.flatnonzero(self.shared[lo + 1 : hi] == depth) + lo + 1
        starts = [lo, *cuts.tolist()]
        return [
            (a, b)
            for a, b in zip(starts, [*starts[1:], hi], strict=True)
            if int(self.length[b - 1]) > depth
        ]


def _common(left: bytes, right: bytes) -> int:
    """Length of the common prefix in bytes, rounded down to whole words."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 4:
        middle = (low + high) // 8 * 4
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass.

    With `depth` tokens of `cover`'s first sequence in the cache, compute the
    chain up to `keep` (it stays in the cache), and below it either the whole
    sub-forests of `ranges` in one packed row, or one row for each sequence in
    `rows`; those are forgotten after the pass.

    Attributes:
        cover: range of sequences for which this pass matters.
        size: tokens that go through the model, padding of rows included.
    """

    depth: int
    keep: int
    cover: tuple[int, int]
    ranges: tuple[tuple[int, int], ...] = ()
    rows: tuple[int, ...] = ()
    size: int = 0

    @property
    def sequences(self) -> list[tuple[int, int]]:
        """Ranges that must be unanswered somewhere for the pass to be needed."""
        return [self.cover] if self.keep > self.depth else list(self.ranges)


def plan_packed(forest: Forest, budget: int, within: Pass | None = None) -> Iterator[Pass]:
    """Passes of at most `budget` tokens that compute each node of the forest once.

    Sub-forests that fit are packed side by side under their root; one that does
    not fit becomes a nested root. A root's chain is computed together with the
    first pack below it where both fit. Depth first, so the cache only ever
    holds the path to the current root.

    Args:
        forest: what to compute.
        budget: tokens a pass.
        within: plan again only what this step covers (it ran out of memory).
    """
    if not len(forest):
        return
    whole = (0, len(forest))
    if within is None:
        todo = [(whole, 0, forest.common(*whole))]
        given = None
    else:
        todo = [(within.cover, within.depth, within.keep)]
        given = list(within.ranges)
    while todo:
        cover, cached, depth = todo.pop()
        while depth - cached > budget:
            yield Pass(cached, cached + budget, cover, size=budget)
            cached += budget
        room = budget - (depth - cached)
        packs: list[list[tuple[int, int]]] = [[]]
        large: list[tuple[int, int]] = []
        for child in forest.children(*cover, depth) if given is None else given:
            size = forest.size(*child, depth)
            if size > budget:
                large.append(child)
                continue
            if size > room:
                packs.append([])
                room = budget
            packs[-1].append(child)
            room -= size
        given = None
        for pack in packs:
            if pack or cached < depth:
                size = depth - cached + sum(forest.size(*child, depth) for child in pack)
                yield Pass(cached, depth, cover, ranges=tuple(pack), size=size)
                cached = depth
        todo.extend((child, depth, forest.common(*child)) for child in reversed(large))


def plan_rows(forest: Forest, budget: int, share: bool, least: int = 64) -> Iterator[Pass]:
    """Passes of ordinary rows: each a whole sequence, or what follows a shared root.

    For architectures whose attention takes no tree. A sequence that is the
    beginning of its neighbour gets no row of its own. Rows go in order of
    length, so that little is padded.

    Args:
        forest: what to compute.
        budget: tokens a pass, padding included; a single longer row stays whole.
        share: put shared beginnings into the cache; False computes every row whole.
        least: a beginning becomes a root if sharing it saves more tokens than
            this: a pass over few tokens costs about as much as one over 64.
    """
    if not len(forest):
        return
    leaf = np.append(forest.shared[1:] < forest.length[:-1], True)
    todo = [((0, len(forest)), 0, 0)]
    while todo:
        cover, cached, depth = todo.pop()
        while cached < depth:
            stop = min(depth, cached + budget)
            yield Pass(cached, stop, cover, size=stop - cached)
            cached = stop
        rows: list[int] = []
        roots: list[tuple[int, int]] = []
        for child in forest.children(*cover, depth):
            leaves = (np.flatnonzero(leaf[slice(*child)]) + child[0]).tolist()
            saved = (len(leaves) - 1) * (forest.common(*child) - depth)
            if share and saved > least:
                roots.append(child)
            else:
                rows.extend(leaves)
        rows.sort(key=lambda s: (-int(forest.length[s]), s))
        while rows:
            width = int(forest.length[rows[0]]) - depth
            batch = tuple(rows[: max(1, budget // width)])
            yield Pass(depth, depth, cover, rows=batch, size=width * len(batch))
            rows = rows[len(batch) :]
        todo.extend((child, depth, forest.common(*child)) for child in reversed(roots))


@dataclass(frozen=True, slots=True)
class Flat:
    """A packed pass as arrays.

    Attributes:
        tokens: [T] token ids. positions: [T] depth of each in its sequence.
        visible: [T, T], visible[q, k] says whether node q has k among its
            ancestors (or is k). The cache is visible to all.
        reads: (sequence, first depth, rows): rows[j] is the place in the pass
            of the sequence's node at depth `first depth + j`.
        chain: nodes of the pass that stay in the cache; they come first.
        branches: where each sub-forest below the chain starts; none sees another.
    """

    tokens: Ints
    positions: Ints
    visible: Bools
    reads: tuple[tuple[int, int, Ints], ...]
    chain: int
    branches: tuple[int, ...]


def flatten(forest: Forest, step: Pass, first: Ints) -> Flat:
    """Lay out a packed step.

    Args:
        first: for the sequence at each sorted place, the depth of the first
            node whose prediction is asked for; every later one is asked for too.
    """
    base, total = step.depth, step.size
    deepest = max([step.keep, *(int(forest.length[a:b].max()) for a, b in step.ranges)])
    path = np.zeros(deepest - base, dtype=np.int64)  # place of the current sequence's nodes
    tokens = np.zeros(total, dtype=np.int64)
    positions = np.zeros(total, dtype=np.int64)
    visible = np.zeros((total, total), dtype=np.bool_)
    reads: list[tuple[int, int, Ints]] = []
    n = 0

    def add(s: int, start: int, stop: int) -> int:
        count = stop - start
        tokens[n : n + count] = forest.tokens(s, start, stop)
        positions[n : n + count] = np.arange(start, stop)
        if start > base:
            visible[n : n + count, :n] = visible[path[start - base - 1], :n]
        visible[n : n + count, n : n + count] = np.tri(count, dtype=np.bool_)
        path[start - base : stop - base] = np.arange(n, n + count)
        return count

    def read(s: int, start: int, stop: int) -> None:
        start, stop = max(start, int(first[s])), min(stop, int(forest.length[s]))
        if start < stop:
            reads.append((s, start, path[start - base : stop - base].copy()))

    if step.keep > base:
        n += add(step.cover[0], base, step.keep)
        lo, hi = step.cover
        for s in (np.flatnonzero(first[lo:hi] < step.keep) + lo).tolist():
            read(s, base, step.keep)
    branches: list[int] = []
    for lo, hi in step.ranges:
        branches.append(n)
        for s in range(lo, hi):
            start = step.keep if s == lo else max(int(forest.shared[s]), step.keep)
            n += add(s, start, int(forest.length[s]))
            read(s, step.keep, int(forest.length[s]))
    chain = max(0, step.keep - base)
    return Flat(tokens, positions, visible, tuple(reads), chain, tuple(branches))


def covered(forest: Forest, row: int) -> Iterator[int]:
    """The sequences answered by a row: itself and the neighbours it continues."""
    yield row
    while row and forest.shared[row] == forest.length[row - 1]:
        row -= 1
        yield row
