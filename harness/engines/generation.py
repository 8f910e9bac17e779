"""Generation: groups of prompts written side by side from one shared beginning.

A group is one call: its make-up depends on the job alone, so a resumed run
writes the groups an undisturbed one writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from typing import Any

import numpy as np

from harness.engines.base import Call, EngineReport, GenerateRequest
from harness.engines.loading import out_of_memory
from harness.engines.network import Network
from harness.engines.prefix import Forest
from harness.engines.tokens import HFTokens
from harness.engines.writing import Writing, choose
from harness.types import Response

# Prompts of a call: large enough for full batches, small enough to lose to a kill.
GROUP = 32
# A beginning shared by fewer tokens than this is not worth a pass of its own.
LEAST_ROOT = 16


class Generation:
    """One job of generate requests over a network, along one path."""

    def __init__(
        self,
        network: Network,
        tokens: HFTokens,
        requests: Sequence[GenerateRequest],
        *,
        path: str,
        max_length: int,
        report: EngineReport,
    ) -> None:
        self.network = network
        self.tokens = tokens
        self.requests = requests
        self.path = path
        self.max_length = max_length
        self.report = report
        self.ends = network.eos_ids | ({tokens.eos_id} if tokens.eos_id >= 0 else set())
        self.usable = [i for i, r in enumerate(requests) if self._room(r) > 0 and r.prompt]
        self.forest = Forest(self._prompt(requests[i]) for i in self.usable)
        self._root: tuple[tuple[int, ...], Any] = ((), None)

    def _room(self, request: GenerateRequest) -> int:
        return self.max_length - request.decoding.max_tokens

    def _prompt(self, request: GenerateRequest) -> tuple[int, ...]:
        return request.prompt[-self._room(request) :]

    def _writing(self, index: int) -> Writing:
        request = self.requests[index]
        prompt = self._prompt(request)
        cut = len(request.prompt) - len(prompt)
        return Writing(index, prompt, cut, request.decoding, self.tokens, self.ends)

    def run(self, answered: Set[int] = frozenset()) -> Iterator[Call]:
        """Yield each group when it is written; groups nobody waits for are left out."""
        usable = set(self.usable)
        failed = [
            (i, _impossible(r, self.max_length))
            for i, r in enumerate(self.requests)
            if i not in usable and i not in answered
        ]
        if failed:
            yield failed
        for depth, places in groups(self.forest):
            indices = [self.usable[int(self.forest.order[s])] for s in places]
            if all(i in answered for i in indices):
                continue
            writings = self._write(indices, depth)
            self.report.calls += 1
            yield [(w.index, w.response()) for w in writings if w.index not in answered]

    def _write(self, indices: list[int], depth: int) -> list[Writing]:
        writings = [self._writing(i) for i in indices]
        try:
            self._branched(writings, depth)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(indices) == 1:
                raise
            half = len(indices) // 2
            return self._write(indices[:half], depth) + self._write(indices[half:], depth)
        return writings

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

    def _branched(self, writings: list[Writing], depth: int) -> None:
        """Rows over a repeated root; rows end at the same column, as in ordinary generation."""
        network, torch = self.network, self.network.torch
        started = time.perf_counter()
        root = self._root_cache(writings[0].prompt, depth)
        sizes = [len(w.prompt) - depth for w in writings]
        width = max(sizes)
        ids = np.zeros((len(writings), width), dtype=np.int64)
        for row, writing in enumerate(writings):
            ids[row, : sizes[row]] = writing.prompt[depth:]
        cache = network.rows(root, depth, len(writings))
        columns = sorted({size - 1 for size in sizes})
        logits = network.logits(network.tensor(ids), network.tensor(columns), cache=cache)
        last = [columns.index(size - 1) for size in sizes]
        logits = logits[torch.arange(len(writings)), last]
        self.report.tokens_computed += len(writings) * width
        # Rows were padded on the right; new tokens need the padding on the left.
        shift = network.tensor([width - size for size in sizes])[:, None]
        place = torch.arange(depth + width, device=network.device)[None]
        source = (place - shift).clamp(min=0)
        seen = place >= shift
        for layer in cache.layers:
            for name in ("keys", "values"):
                states = getattr(layer, name)
                index = source[:, None, :, None].expand(-1, states.shape[1], -1, states.shape[3])
                setattr(layer, name, states.gather(2, index))
        self.report.seconds_prefill += time.perf_counter() - started

        started = time.perf_counter()
        active = list(writings)
        while True:
            tokens = choose(logits, active)
            for writing, token in zip(active, tokens, strict=True):
                writing.add(token)
            self.report.tokens_generated += len(active)
            stay = [row for row, writing in enumerate(active) if writing.finish is None]
            if not stay:
                break
            if len(stay) < len(active):
                rows = network.tensor(stay)
                active = [active[row] for row in stay]
                tokens = [tokens[row] for row in stay]
                seen = seen[rows]
                cache.batch_select_indices(rows)
            seen = torch.cat([seen, seen.new_ones((len(active), 1))], dim=1)
            logits = network.logits(
                network.tensor(tokens)[:, None],
                network.tensor([0]),
                cache=cache,
                mask=seen.long(),
                positions=network.tensor([w.length - 1 for w in active])[:, None],
            )[:, 0]
        self.report.seconds_decode += time.perf_counter() - started


def groups(forest: Forest) -> Iterator[tuple[int, list[int]]]:
    """(root depth, sorted places) of each call: neighbours, which begin alike.

    The root leaves each prompt at least its last token, which predicts the answer.
    """
    for start in range(0, len(forest), GROUP):
        places = list(range(start, min(start + GROUP, len(forest))))
        depth = forest.common(places[0], places[-1] + 1)
        depth = min(depth, int(forest.length[places].min()) - 1)
        yield (depth if len(places) > 1 and depth >= LEAST_ROOT else 0), places


def _impossible(request: GenerateRequest, max_length: int) -> Response:
    found = "an empty prompt" if not request.prompt else f"{request.decoding.max_tokens} new tokens"
    return Response(
        kind="generation",
        status="error",
        error=f"{found}; a model of at most {max_length} tokens needs room for a prompt",
    )
