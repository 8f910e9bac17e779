"""Scoring: run the planned passes, read off the log-probabilities.

Three ways to run the same plan, from best to most general: a packed tree in
one row, rows that branch off a cached root, whole rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from harness.engines.answers import scored
from harness.engines.base import Call, ScoreRequest
from harness.engines.hf.job import Job
from harness.engines.hf.network import Network
from harness.engines.prefix import (
    Bools,
    Flat,
    Ints,
    Pass,
    covered,
    flatten,
    plan_packed,
    plan_rows,
)
from harness.engines.tokens import HFTokens
from harness.errors import out_of_memory
from harness.types import Response

# One predicted token: (sorted place of its sequence, row of the logits, token).
Want = tuple[int, int, int]
# One predicted token's log-probability, and whether it is the most likely.
TokenScore = tuple[int, float, bool]


class Scoring(Job[ScoreRequest]):
    """One job of score requests over a network, along one path."""

    writes = False

    def __init__(
        self, network: Network, tokens: HFTokens, requests: Sequence[ScoreRequest], **how: Any
    ) -> None:
        if not all(request.context for request in requests):
            raise ValueError("a score request needs a context (at least the prefix token)")
        super().__init__(network, tokens, requests, **how)
        counts = np.array([len(requests[i].continuation) for i in self.index.tolist()], np.int64)
        self.first: Ints = self.forest.length - counts
        self.cache: Any = network.cache()
        self.partial: dict[int, tuple[float, bool, int]] = {}

    def calls(self, waiting: Bools) -> Iterator[Call]:
        """The finished requests of each pass."""
        for step in self._plan():
            yield from self._run(step, waiting)

    def _plan(self) -> Iterator[Pass]:
        if self.path == "packed":
            return plan_packed(self.forest, self.budget)
        return plan_rows(self.forest, self.budget, share=self.path == "branched")

    def _split(self, step: Pass) -> Iterator[Pass]:
        """The same work in smaller passes."""
        if not step.rows:
            yield from plan_packed(self.forest, self.budget, within=step)
            return
        width = step.size // len(step.rows)
        count = max(1, self.budget // width)
        for start in range(0, len(step.rows), count):
            rows = step.rows[start : start + count]
            yield Pass(step.depth, step.keep, step.cover, rows=rows, size=width * len(rows))

    def _run(self, step: Pass, waiting: Bools) -> Iterator[Call]:
        if step.rows:
            needed = any(waiting[s] for row in step.rows for s in covered(self.forest, row))
        else:
            needed = any(waiting[lo:hi].any() for lo, hi in step.sequences)
        if not needed:
            return
        try:
            started = time.perf_counter()
            scores = self._rows(step) if step.rows else self._packed(step)
            self.report.seconds_prefill += time.perf_counter() - started
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or step.size <= 1 or len(step.rows) == 1:
                raise
            self.budget = max(1, step.size // 2)
            for smaller in self._split(step):
                yield from self._run(smaller, waiting)
            return
        self.report.calls += 1
        self.report.tokens_computed += step.size
        call = [
            (int(self.index[s]), response) for s, response in self._finish(scores) if waiting[s]
        ]
        if call:
            yield call

    def _packed(self, step: Pass) -> list[TokenScore]:
        network = self.network
        flat = flatten(self.forest, step, self.first)
        network.crop(self.cache, step.depth)
        wants, columns = self._wants(flat)
        if self.path == "packed":
            logits = network.packed(
                flat, network.tensor(columns), cache=self.cache, depth=step.depth
            )
        else:  # a root's chain, which is an ordinary row
            ids = network.tensor(flat.tokens)[None]
            logits = network.logits(ids, network.tensor(columns), cache=self.cache)[0]
        network.crop(self.cache, step.keep)
        return self._scores(logits, wants)

    def _wants(self, flat: Flat) -> tuple[list[Want], Ints]:
        """Predicted tokens as (sorted place, row of the logits, token), and the logits' columns."""
        if not flat.reads:
            return [], np.array([len(flat.tokens) - 1], dtype=np.int64)
        columns, rows = np.unique(
            np.concatenate([r for _, _, r in flat.reads]), return_inverse=True
        )
        wants, at = [], 0
        for s, start, places in flat.reads:
            skip = start - int(self.first[s])
            continuation = self.requests[int(self.index[s])].continuation
            for target in continuation[skip : skip + len(places)]:
                wants.append((s, int(rows[at]), target))
                at += 1
        return wants, columns

    def _rows(self, step: Pass) -> list[TokenScore]:
        network, forest, depth = self.network, self.forest, step.depth
        width = step.size // len(step.rows)
        ids = np.zeros((len(step.rows), width), dtype=np.int64)
        reads: list[tuple[int, int, int]] = []
        for b, row in enumerate(step.rows):
            stop = int(forest.length[row])
            ids[b, : stop - depth] = forest.tokens(row, depth, stop)
            reads.extend((s, b, max(depth, int(self.first[s]))) for s in covered(forest, row))
        cache = None
        if depth:
            network.crop(self.cache, depth)
            cache = network.rows(self.cache, depth, len(step.rows))
        lowest = min((start for s, _, start in reads if start < forest.length[s]), default=depth)
        columns = np.arange(lowest - depth, width)
        logits = network.logits(network.tensor(ids), network.tensor(columns), cache=cache)
        wants = []
        for s, b, start in reads:
            continuation = self.requests[int(self.index[s])].continuation
            for d in range(start, int(forest.length[s])):
                row = b * len(columns) + d - lowest
                wants.append((s, row, continuation[d - int(self.first[s])]))
        return self._scores(logits.flatten(0, 1), wants)

    def _scores(self, logits: Any, wants: list[Want]) -> list[TokenScore]:
        if not wants:
            return []
        read = self.network.read(logits, [w[1] for w in wants], [w[2] for w in wants])
        return [(s, value, best) for (s, _, _), (value, best) in zip(wants, read, strict=True)]

    def _finish(self, scores: list[TokenScore]) -> Iterator[tuple[int, Response]]:
        """Add up; a request whose tokens are all in is done."""
        state = self.partial
        touched: dict[int, None] = {}
        for s, value, best in scores:
            total, greedy, seen = state.get(s, (0.0, True, 0))
            state[s] = (total + value, greedy and best, seen + 1)
            touched[s] = None
        for s in touched:
            request = self.requests[int(self.index[s])]
            total, greedy, seen = state[s]
            if seen == len(request.continuation):
                del state[s]
                yield s, scored(request, total, greedy, self.max_length)
