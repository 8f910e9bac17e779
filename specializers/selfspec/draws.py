"""Random choices that depend on the seed and on what they are for, never on what ran before."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from harness.files import digest
from harness.types import Seed


def number(*what: object) -> int:
    """A number of 31 bits that belongs to `what`: the same on every machine."""
    return int(digest([str(part) for part in what])[:8], 16) >> 1


def deal(seeds: Sequence[Seed], count: int, *what: object) -> Iterator[tuple[Seed, ...]]:
    """Yield hands of `count` demonstrations, for ever.

    Seeds are dealt from a shuffled deck, reshuffled when it runs out, so that
    each is shown equally often; within a hand the task types differ as far as
    the seeds allow, so that a hand does not suggest one kind of task.
    """
    count = min(count, len(seeds))
    rng = random.Random(number(*what))
    deck: list[Seed] = []
    while True:
        hand: list[Seed] = []
        while len(hand) < count:
            if len(deck) < count - len(hand):
                fresh = [seed for seed in seeds if seed not in deck and seed not in hand]
                rng.shuffle(fresh)
                deck += fresh
            types = {seed.task_type for seed in hand}
            place = next((i for i, s in enumerate(deck) if s.task_type not in types), 0)
            hand.append(deck.pop(place))
        yield tuple(hand)
