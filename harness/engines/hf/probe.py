"""Which path a model takes: tried on a small tree of random tokens, not looked up by name.

Each path writes the same forced continuations, and every next-token
distribution on the way is compared with the model's own `generate` over whole
prompts. A path that raises or differs is not taken.
"""

from __future__ import annotations

import logging
import random
from functools import partial
from typing import Any

from harness.engines.base import EngineReport
from harness.engines.hf.decode import by_itself, over_rows, over_slots
from harness.engines.hf.network import Network, Unsupported
from harness.engines.hf.queue import Queue
from harness.engines.hf.slots import root_over
from harness.engines.writing import Writing
from harness.errors import out_of_memory

log = logging.getLogger(__name__)

# Allowed mean difference of log-probabilities, in standard deviations of the reference's:
# rounding gives below 1e-5 in float32 and about 0.02 in bfloat16; a wrong mask or position 0.1
# to 1 on trained models.
TOLERANCE = {"float32": 1e-3, "bfloat16": 8e-2, "float16": 2e-2}
# Tokens of the beginning that some of the prompts share beyond the root.
DOCUMENT = 11
# What a model may raise when it is asked for something its code does not foresee.
FAULTS = (
    Unsupported,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    AssertionError,
)


class Forced(Writing):
    """A writing whose tokens are given; it keeps the distributions it was offered."""

    def __init__(self, prompt: tuple[int, ...], given: tuple[int, ...]) -> None:
        self.prompt = prompt
        self.given = given
        self.written: list[int] = []
        self.finish: str | None = None
        self.seen: list[Any] = []

    @property
    def most(self) -> int:
        return len(self.given)

    @property
    def greedy(self) -> bool:
        return False

    @property
    def penalises(self) -> bool:
        return False

    def sample(self, logits: Any) -> int:
        self.seen.append(logits.float().log_softmax(-1))
        return self.given[len(self.written)]

    def add(self, token: int) -> None:
        self.written.append(token)
        if len(self.written) == len(self.given):
            self.finish = "length"


def prompts(vocabulary: int, root: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Prompts over a common root, nested and of several lengths, each with its continuation."""
    source = random.Random(0)

    def some(count: int) -> tuple[int, ...]:
        return tuple(source.randrange(vocabulary) for _ in range(count))

    start, document, other = some(root), some(DOCUMENT), some(17)
    return [
        (start + document + some(2), some(1)),
        (start + document + some(5), some(3)),
        (start + other, some(4)),
        (start + other + some(3), some(2)),
        (start + some(1), some(3)),
    ]


def difference(network: Network, path: str, root: int, decode: bool) -> float:
    """Mean difference between a path and the model's own generation, in standard deviations.

    Args:
        decode: also continue token by token; False takes each prediction from a
            prefill, which is all that scoring needs.
    """
    report = EngineReport()
    cases = prompts(network.vocabulary, root)
    if not decode:
        cases = [
            (prompt + given[:count], given[count : count + 1])
            for prompt, given in cases
            for count in range(len(given))
        ]
    tried = [Forced(*case) for case in cases]

    def beginning(depth: int) -> Any:
        cache = network.cache()
        ids = network.tensor([cases[0][0][:depth]])
        network.logits(ids, network.tensor([depth - 1]), cache=cache)
        return cache

    if path == "packed":
        # Two roots, few rows and a small budget: nested roots, several packs and refills occur.
        deep = cases[0][0][: root + DOCUMENT]
        within = [w for w in tried if w.prompt[: len(deep)] == deep]
        beside = [w for w in tried if w not in within]
        kinds = [
            (partial(root_over, beginning(depth), depth, network.adapter), writings)
            for depth, writings in ((len(deep), within), (root, beside))
        ]
        for _ in over_slots(network, Queue(kinds), rows=3, width=32, budget=16, report=report):
            pass
    else:
        over_rows(network, beginning(root), root, tried, report)
    wanted = [Forced(*case) for case in cases]
    by_itself(network, wanted, report)
    torch = network.torch
    found = torch.stack([row for writing in tried for row in writing.seen])
    expected = torch.stack([row for writing in wanted for row in writing.seen])
    return float((found - expected).abs().mean() / expected.std())


def choose_path(network: Network, root: int, decode: bool) -> str:
    """The best path whose answers are the model's own.

    Args:
        root: tokens of the shared beginning to try with; longer than a sliding
            window where the job's sequences are.
        decode: for generation; False for scoring.
    """
    for path in ("packed", "branched"):
        fault = check(network, path, root, decode)
        if not fault:
            return path
        what = "generation" if decode else "scoring"
        log.warning("%s: no %s path for %s: %s", _name(network), path, what, fault)
    return "plain"


def check(network: Network, path: str, root: int, decode: bool) -> str:
    """ "" if the path's answers are the model's own, else what is wrong with them."""
    tolerance = TOLERANCE[str(network.model.dtype).removeprefix("torch.")]
    try:
        found = difference(network, path, root, decode)
    except FAULTS as error:
        if out_of_memory(error):
            raise  # says nothing about the path, which records name
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if found <= tolerance:  # false for NaN
        return ""
    return f"its answers differ by {found:.2g} standard deviations (allowed {tolerance:g})"


def _name(network: Network) -> str:
    return type(network.model).__name__
