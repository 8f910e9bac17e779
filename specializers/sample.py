"""Passages drawn from a corpus of any size, in one pass."""

from __future__ import annotations

import random
from pathlib import Path

from harness.doors.files import read_jsonl
from harness.types import Json


def drawn(corpus: Path, count: int, rng: random.Random) -> list[Json]:
    """`count` passages (`id`, `title`, `text`) drawn evenly, or all where there are fewer.

    Source: Vitter 1985, algorithm R (reservoir sampling).
    """
    kept: list[Json] = []
    for seen, row in enumerate(read_jsonl(corpus)):
        if seen < count:
            kept.append(row)
        elif (place := rng.randrange(seen + 1)) < count:
            kept[place] = row
    return kept
