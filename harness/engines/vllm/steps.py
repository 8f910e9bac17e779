"""The output steps that a job's answers need, as a tree: a step follows the one it continues.

A step is one request: it writes one token after a prompt and reports the
log-probabilities of all answer tokens that may stand there. The steps after an
answer's inner tokens follow the step before them by one token each. Steps that
share a beginning follow a step of that beginning alone (a *fork*) where vLLM's
cache, which keeps whole blocks, would compute the rest of it again for each.
What follows a step is asked when it has been answered, and finds its tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.engines.answers import scored
from harness.engines.base import Call, ScoreRequest
from harness.engines.prefix import Forest
from harness.engines.vllm.process import Answer
from harness.types import Response

# Token ids one output step may report on: vLLM's own bound.
MOST_TOKENS = 128
# A fork is asked where it spares more tokens than a request costs.
LEAST_SPARED = 16


@dataclass
class Node:
    """One output step.

    Attributes:
        prompt: the tokens before it.
        waiting: token -> the requests that wait for it there; none at a fork.
        then: the steps that continue this one's prompt.
    """

    prompt: tuple[int, ...]
    waiting: dict[int, list[int]] = field(default_factory=dict)
    then: list[Node] = field(default_factory=list)


class Tally:
    """The steps that a job's answers need, and what the steps have brought in so far.

    Args:
        requests: those to score, by index.
        max_length: longest input in tokens.
    """

    def __init__(self, requests: Mapping[int, ScoreRequest], max_length: int) -> None:
        self._requests = requests
        self._max_length = max_length
        self._whole = {i: r.sequence(max_length) for i, r in requests.items()}
        self._missing = {i: len(r.continuation) for i, r in requests.items()}
        self._totals = dict.fromkeys(requests, 0.0)
        self._greedy = dict.fromkeys(requests, True)

    def inputs(self) -> list[tuple[int, ...]]:
        """What each request asks to be computed: all but its last token."""
        return [tokens[:-1] for tokens in self._whole.values()]

    def nodes(self, order: Iterable[int], block: int) -> list[Node]:
        """The steps that follow no other, in the order in which the requests need them.

        Args:
            order: the requests' indices.
            block: tokens of a block of vLLM's cache.
        """
        nodes: dict[tuple[int, ...], Node] = {}
        for i in order:
            tokens = self._whole[i]
            for at in range(len(tokens) - self._missing[i], len(tokens)):
                node = nodes.setdefault(tokens[:at], Node(tokens[:at]))
                node.waiting.setdefault(tokens[at], []).append(i)
        first: list[Node] = []
        for node in nodes.values():
            before = nodes.get(node.prompt[:-1])
            (first if before is None else before.then).append(node)
        for node in nodes.values():
            _split(node)
        return _forked(first, block)

    def take(self, answer: Answer) -> Call:
        """Count one step's answer; the requests that are complete with it."""
        waiting = answer.key.waiting
        if not waiting:
            return []
        values, best = answer.output.logprobs[0], answer.output.token_ids[0]
        call: Call = []
        for token, indices in waiting.items():
            for i in indices:
                self._totals[i] += values[token].logprob
                self._greedy[i] &= token == best
                self._missing[i] -= 1
                if not self._missing[i]:
                    call.append((i, self._response(i)))
        return call

    def _response(self, i: int) -> Response:
        return scored(self._requests[i], self._totals[i], self._greedy[i], self._max_length)


def _split(node: Node) -> None:
    """Leave at most as many tokens waiting as a step reports on; the others in steps after it."""
    tokens = list(node.waiting.items())
    node.waiting = dict(tokens[:MOST_TOKENS])
    parts = range(MOST_TOKENS, len(tokens), MOST_TOKENS)
    node.then[:0] = [Node(node.prompt, dict(tokens[at : at + MOST_TOKENS])) for at in parts]


def _forked(steps: list[Node], block: int) -> list[Node]:
    """The steps in the order of their prefix tree, below the forks that are worth a request."""
    forest = Forest(step.prompt for step in steps)
    first: list[Node] = []
    todo = [(0, len(forest), 0, first)] if steps else []
    while todo:
        lo, hi, covered, into = todo.pop()
        step = steps[forest.order[lo]]
        if hi - lo == 1:
            into.append(step)
            continue
        depth = forest.common(lo, hi)
        whole = len(step.prompt) == depth
        if (hi - lo - 1) * min(depth - covered, depth % block) > LEAST_SPARED:
            fork = step if whole else Node(step.prompt[:depth])
            into.append(fork)
            covered, into = depth, fork.then
        elif whole:
            into.append(step)
        todo += [(a, b, covered, into) for a, b in reversed(forest.children(lo, hi, depth))]
    return first
