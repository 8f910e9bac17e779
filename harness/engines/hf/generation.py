"""Generation: one stream of prompts over shared beginnings.

Along the packed path a job is one stream: rows that are finished make room for prompts that
wait, whatever task they are of, and answers are given out as they end. A resumed job writes
what is missing, in other company than an undisturbed one: in float32 the texts are the same, in
bfloat16 as alike as those of two batch sizes are. Along the others a job is written in groups,
whose make-up depends on the job alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.engines.base import Call, GenerateRequest
from harness.engines.device import total_memory
from harness.engines.hf.beginnings import Beginnings
from harness.engines.hf.decode import by_itself, over_rows, over_slots
from harness.engines.hf.job import Job
from harness.engines.hf.network import Network
from harness.engines.hf.queue import Queue
from harness.engines.hf.slots import Root, root_over
from harness.engines.prefix import Bools, Forest
from harness.engines.tokens import HFTokens
from harness.engines.writing import Writing
from harness.errors import out_of_memory

# Prompts of a group: large enough to keep the rows full, small enough to lose to a kill.
GROUP = 128
# Rows written side by side: a step over 64 rows costs less than twice one over 32 (measured
# 310 to 169 ms of matrix products, SmolLM2-135M), over more it gains little.
ROWS = 64
# Share of the device's memory that rows of keys and values may take. Of all its memory,
# not of what happens to be free: the rows of a group must not differ between two runs.
ROWS_SHARE = 0.25
# A beginning shared by fewer tokens than this is not worth a pass of its own; nor one shared by
# fewer prompts than MEMBERS, which a stream fills its rows with.
LEAST_ROOT, MEMBERS = 16, 8


class Generation(Job[GenerateRequest]):
    """One job of generate requests over a network, along one path.

    Args:
        adapter: of all its requests.
        beginnings: of the network's earlier jobs.
        how: see `Job`.
    """

    writes = True

    def __init__(
        self,
        network: Network,
        tokens: HFTokens,
        requests: Sequence[GenerateRequest],
        adapter: Path | None = None,
        *,
        beginnings: Beginnings,
        **how: Any,
    ) -> None:
        super().__init__(network, tokens, requests, **how)
        self.adapter, self.beginnings = adapter, beginnings
        self.ends = network.eos_ids | ({tokens.eos_id} if tokens.eos_id >= 0 else set())
        longest = max((self.most(i) for i in self.index.tolist()), default=1)
        space = ROWS_SHARE * total_memory(str(network.device))
        self.rows = max(1, min(ROWS, int(space / (longest * network.bytes_per_token))))

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
        """Answers as they end, or each group when it is written."""
        if self.path == "packed":
            yield from stream([(self, waiting)])
            return
        self.network.use(self.adapter)
        for depth, places in groups(self.forest):
            if not waiting[places].any():
                continue
            writings = self._write([int(self.index[s]) for s in places], depth)
            self.report.calls += 1
            asked = {int(self.index[s]) for s in places if waiting[s]}
            yield [(w.index, w.response()) for w in writings if w.index in asked]

    def kinds(self, waiting: Bools) -> Iterator[tuple[Callable[[], Root], list[Writing]]]:
        """The waiting writings over each root, those of one decoding together."""
        for depth, places in self.roots:
            yield from self._kinds(depth, places, waiting)

    @cached_property
    def roots(self) -> list[tuple[int, list[int]]]:
        """(depth, sorted places) of what a stream shares, with the prompts of earlier jobs too."""
        own = [self.requests[int(i)].input(self.max_length) for i in self.index]
        both = Forest([*own, *self.beginnings.earlier(self.adapter)])
        self.beginnings.note(self.adapter, own)
        shared = (
            (depth, sorted(p for p in both.order[places].tolist() if p < len(own)))
            for depth, places in split(both, MEMBERS)
        )
        return [(depth, places) for depth, places in shared if places]

    @property
    def width(self) -> int:
        """Tokens a row may come to beyond its root."""
        return max(
            (self.most(int(self.index[s])) - depth for depth, group in self.roots for s in group),
            default=1,
        )

    def _kinds(
        self, depth: int, places: Sequence[int], waiting: Bools
    ) -> Iterator[tuple[Callable[[], Root], list[Writing]]]:
        kinds: dict[tuple[int, tuple[str, ...]], list[Writing]] = {}
        for writing in (self._writing(int(self.index[s])) for s in places if waiting[s]):
            how = self.requests[writing.index].decoding
            kinds.setdefault((how.max_tokens, how.stop), []).append(writing)

        def root() -> Root:
            prompt = next(iter(kinds.values()))[0].prompt
            self.network.use(self.adapter)
            return root_over(self._opened(prompt, depth), depth, self.adapter)

        for writings in kinds.values():
            yield root, writings

    def _write(self, indices: list[int], depth: int) -> list[Writing]:
        writings = [self._writing(i) for i in indices]
        try:
            if self.path == "plain":
                by_itself(self.network, writings, self.report)
            else:
                root = self._opened(writings[0].prompt, depth)
                for start in range(0, len(writings), self.rows):
                    rows = writings[start : start + self.rows]
                    over_rows(self.network, root, depth, rows, self.report)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(indices) == 1:
                raise
            self.beginnings.clear()
            half = len(indices) // 2
            self.rows = max(1, self.rows // 2)
            return self._write(indices[:half], depth) + self._write(indices[half:], depth)
        return writings

    def _opened(self, prompt: tuple[int, ...], depth: int) -> Any:
        """The cache of a shared beginning."""
        extends = self.path == "packed"
        cache, computed = self.beginnings.opened(prompt, depth, extends=extends)
        self.report.tokens_computed += computed
        return cache


def stream(parts: Sequence[tuple[Generation, Bools]]) -> Iterator[Call]:
    """Write what waits of several jobs side by side: their adapters differ, row by row.

    Args:
        parts: jobs over one network, along the packed path, and the sorted places that wait.
    """
    jobs = [job for job, _ in parts]
    waiting = [places for _, places in parts]
    first, rows = jobs[0], min(job.rows for job in jobs)
    while any(places.any() for places in waiting):
        kinds = [
            kind for job, places in zip(jobs, waiting, strict=True) for kind in job.kinds(places)
        ]
        try:
            for done in over_slots(
                first.network,
                Queue(kinds),
                rows=rows,
                width=max(job.width for job in jobs),
                budget=first.budget,
                report=first.report,
            ):
                first.report.calls += 1
                ended = [w.index for w in done]
                waiting = [
                    places & ~np.isin(job.index, ended)
                    for job, places in zip(jobs, waiting, strict=True)
                ]
                yield [(w.index, w.response()) for w in done]
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or rows == 1:
                raise
            first.beginnings.clear()
            rows //= 2


def groups(forest: Forest) -> Iterator[tuple[int, list[int]]]:
    """(root depth, sorted places) of each group."""
    for depth, places in split(forest, GROUP):
        for start in range(0, len(places), GROUP):
            yield depth, places[start : start + GROUP]


def split(forest: Forest, members: int) -> Iterator[tuple[int, list[int]]]:
    """(root depth, sorted places) of all prompts over each root.

    Prompts that share a long beginning, so many of them at least, get that beginning as their
    root; the rest share what is above. A root leaves each prompt its last token, which predicts
    the answer.
    """
    if not len(forest):
        return
    # By root: where its prompts begin, and its depth.
    found: dict[tuple[int, int], list[int]] = {}
    todo = [(0, len(forest), 0, 0)]
    while todo:
        lo, hi, first, depth = todo.pop()
        fork = min(forest.common(lo, hi), int(forest.length[lo:hi].min()) - 1)
        if fork - depth >= LEAST_ROOT:
            first, depth = lo, fork
        for a, b in forest.children(lo, hi, fork):
            if members <= b - a < hi - lo:
                todo.append((a, b, first, depth))
            else:
                found.setdefault((first, depth), []).extend(range(a, b))
    for (_, depth), places in sorted(found.items()):
        yield depth, sorted(places)
