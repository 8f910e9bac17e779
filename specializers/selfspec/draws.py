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
    all are shown about equally often; within a hand the task types differ as far
    as the deck allows, so that a hand does not suggest one kind of task.
    """
    count = min(count, len(seeds))
    rng = random.Random(number(*what))
    deck: list[Seed] = []
    while True:
        if len(deck) < len(seeds):
            fresh = list(seeds)
            rng.shuffle(fresh)
            deck += fresh
        hand: list[Seed] = []
        while len(hand) < count:
            types = {seed.task_type for seed in hand}
            unseen = [place for place, seed in enumerate(deck) if seed not in hand]
            other = (place for place in unseen if deck[place].task_type not in types)
            hand.append(deck.pop(next(other, unseen[0])))
        yield tuple(hand)
