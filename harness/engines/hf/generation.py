"""Generation: groups of prompts written side by side from one shared beginning.

A group is one call: its make-up depends on the job alone, so a resumed run
writes the groups an undisturbed one writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.engines.base import Call, GenerateRequest
from harness.engines.device import total_memory
from harness.engines.hf.decode import by_itself, over_rows, over_slots
from harness.engines.hf.job import Job
from harness.engines.hf.network import Network
from harness.engines.prefix import Bools, Forest
from harness.engines.tokens import HFTokens
from harness.engines.writing import Writing
from harness.errors import out_of_memory

# Prompts of a call: large enough to keep the rows full, small enough to lose to a kill.
GROUP = 128
# Rows written side by side: a step over 64 rows costs less than twice one over 32 (measured
# 310 to 169 ms of matrix products, SmolLM2-135M), over more it gains little.
ROWS = 64
# Share of the device's memory that rows of keys and values may take. Of all its memory,
# not of what happens to be free: the rows of a group must not differ between two runs.
ROWS_SHARE = 0.25
# A beginning shared by fewer tokens than this is not worth a pass of its own.
LEAST_ROOT = 16


class Generation(Job[GenerateRequest]):
    """One job of generate requests over a network, along one path."""

    writes = True

    def __init__(
        self, network: Network, tokens: HFTokens, requests: Sequence[GenerateRequest], **how: Any
    ) -> None:
        super().__init__(network, tokens, requests, **how)
        self.ends = network.eos_ids | ({tokens.eos_id} if tokens.eos_id >= 0 else set())
        longest = max((self.most(i) for i in self.index.tolist()), default=1)
        space = ROWS_SHARE * total_memory(str(network.device))
        self.rows = max(1, min(ROWS, int(space / (longest * network.bytes_per_token))))
        self._root: tuple[tuple[int, ...], Any] = ((), network.cache())

    def most(self, index: int) -> int:
        """Tokens a request's prompt and continuation may come to."""
        request = self.requests[index]
        return len(request.input(self.max_length)) + request.decoding.max_tokens + self.room

    def _writing(self, index: int) -> Writing:
        request = self.requests[index]
        prompt = request.input(self.max_length)
        cut = len(request.prompt) - len(prompt)
        return Writing(index, prompt, cut, request.decoding, self.tokens, self.ends, self.room)

    def calls(self, waiting: Bools) -> Iterator[Call]:
        """Each group when it is written."""
        for depth, places in groups(self.forest):
            if not waiting[places].any():
                continue
            writings = self._write([int(self.index[s]) for s in places], depth)
            self.report.calls += 1
            asked = {int(self.index[s]) for s in places if waiting[s]}
            yield [(w.index, w.response()) for w in writings if w.index in asked]

    def _write(self, indices: list[int], depth: int) -> list[Writing]:
        writings = [self._writing(i) for i in indices]
        try:
            if self.path == "plain":
                by_itself(self.network, writings, self.report)
            else:
                root = self._root_cache(writings[0].prompt, depth)
                self._over(root, depth, writings)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(indices) == 1:
                raise
            half = len(indices) // 2
            self.rows = max(1, self.rows // 2)
            return self._write(indices[:half], depth) + self._write(indices[half:], depth)
        return writings

    def _over(self, root: Any, depth: int, writings: list[Writing]) -> None:
        if self.path == "packed":
            over_slots(
                self.network,
                root,
                depth,
                writings,
                rows=self.rows,
                budget=self.budget,
                report=self.report,
            )
            return
        for start in range(0, len(writings), self.rows):
            over_rows(self.network, root, depth, writings[start : start + self.rows], self.report)

    def _root_cache(self, prompt: tuple[int, ...], depth: int) -> Any:
        """The cache of a shared beginning; the last one made is kept."""
        if self._root[0] != prompt[:depth]:
            cache = self.network.cache()
            if depth:
                ids = self.network.tensor([prompt[:depth]])
                self.network.logits(ids, self.network.tensor([depth - 1]), cache=cache)
                self.report.tokens_computed += depth
            self._root = (prompt[:depth], cache)
        return self._root[1]


def groups(forest: Forest) -> Iterator[tuple[int, list[int]]]:
    """(root depth, sorted places) of each call.

    Prompts that share a long beginning with at least a group's worth of others
    get that beginning as their root; the rest share their parents' root. The
    root leaves each prompt its last token, which predicts the answer.
    """
    if not len(forest):
        return
    todo = [(0, len(forest), 0)]
    while todo:
        lo, hi, above = todo.pop()
        split = min(forest.common(lo, hi), int(forest.length[lo:hi].min()) - 1)
        depth = split if split - above >= LEAST_ROOT else above
        places: list[int] = []
        own: list[tuple[int, int, int]] = []
        for a, b in forest.children(lo, hi, split):
            gain = forest.common(a, b) - depth
            if GROUP <= b - a < hi - lo and gain >= LEAST_ROOT:
                own.append((a, b, depth))
            else:
                places.extend(range(a, b))
        for start in range(0, len(places), GROUP):
            yield depth, places[start : start + GROUP]
        todo.extend(reversed(own))
