"""Random choices that depend on the seed and on what they are for, never on what ran before."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from harness.files import digest
from harness.types import Seed


def seed_for(*what: object) -> int:
    """A number of 31 bits that belongs to `what`: the same on every machine."""
    return int(digest([str(part) for part in what])[:8], 16) >> 1


def draw_demonstrations(
    seeds: Sequence[Seed], count: int, *what: object, one_kind: bool = False
) -> Iterator[tuple[Seed, ...]]:
    """Yield hands of `count` demonstrations, for ever.

    Seeds are dealt from a shuffled deck, reshuffled when it runs out, so that
    all are shown about equally often. Within a hand the task types differ as far
    as the deck allows, so that a hand does not suggest one kind of task; with
    `one_kind` they are the same as far as the seeds allow, so that it does.
    """
    count = min(count, len(seeds))
    rng = random.Random(seed_for(*what))
    deck: list[Seed] = []
    while True:
        if len(deck) < len(seeds):
            fresh = list(seeds)
            rng.shuffle(fresh)
            deck += fresh
        hand = [deck.pop(0)]
        while len(hand) < count:
            types = {seed.task_type for seed in hand}
            unseen = [place for place, seed in enumerate(deck) if seed not in hand]
            fitting = (p for p in unseen if (deck[p].task_type in types) == one_kind)
            hand.append(deck.pop(next(fitting, unseen[0])))
        yield tuple(hand)
