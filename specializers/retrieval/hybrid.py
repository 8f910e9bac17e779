"""Several rankings as one, by reciprocal rank fusion.

Source: Cormack, Clarke & Büttcher 2009, "Reciprocal rank fusion outperforms
Condorcet and individual rank learning methods". Only ranks count, so scores of
different kinds need no common scale.
"""

from __future__ import annotations

from collections.abc import Sequence

from specializers.retrieval.ranking import Ranker

K = 60  # the paper's constant
DEPTH = 100  # ours: how far down each ranking is looked at, at least


class Hybrid:
    """The sum over the rankings of 1 / (60 + rank), ranks from 1."""

    def __init__(self, rankers: Sequence[Ranker]) -> None:
        self._rankers = rankers

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Ranker`."""
        scores: dict[int, float] = {}
        for ranker in self._rankers:
            for rank, (position, _) in enumerate(ranker.rank(query, max(k, DEPTH)), 1):
                scores[position] = scores.get(position, 0.0) + 1 / (K + rank)
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[: max(k, 0)]
