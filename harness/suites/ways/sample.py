"""Which items a limited run takes: a sample in which labels keep their shares.

The first N items of a set may hold one of a rare label or none, and then one answer is
worth many points of a macro-F1. So where the rows say what was expected out of a closed
inventory (or for mentions: whether there are any), `--limit N` takes of each kind its
share, and of a rare one at least `FEWEST` where there are so many and N allows it. Within a
kind the items keep the set's order, which is a sample order already. The sample depends
on task and N alone: all models are asked the same.

Rows that say nothing of the kind are taken from the first, as lm-eval's `--limit` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.suites.items import is_own

FEWEST = 4
BY_LABEL = "by label"


def kind_of(doc: Mapping[str, Any]) -> str:
    """What is expected of a row, of the few things that can be; "" where that is open."""
    if not is_own(doc) or not doc["labels"]:
        return ""
    target = doc["target"]
    if len(target) == 1 and target[0] in doc["labels"]:
        return str(target[0])
    return "without" if list(target) == ["None"] else "with"


def sample(docs: Sequence[Mapping[str, Any]], limit: int) -> list[int] | None:
    """The places of the items that a limited run takes, in order; None for the first ones."""
    if not limit or limit >= len(docs):
        return None
    kinds = [kind_of(doc) for doc in docs]
    counts = Counter(kinds)
    if "" in counts or len(counts) < 2:
        return None
    wanted = shares(counts, limit)
    taken: Counter[str] = Counter()
    places = []
    for place, kind in enumerate(kinds):
        if taken[kind] < wanted[kind]:
            taken[kind] += 1
            places.append(place)
    return places


def shares(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """How many of each kind make a sample of `limit`, which is less than all.

    Of each the whole part of its share, and what is left to the largest remainders; before
    that each kind has `FEWEST`, or all it has, or an equal part where `limit` is too small.
    """
    total = sum(counts.values())
    least = max(1, min(FEWEST, limit // len(counts)))
    wanted = {kind: min(count, least) for kind, count in counts.items()}
    # Where there are more kinds than places, the most frequent have them.
    order = sorted(counts, key=lambda kind: (-counts[kind], kind))
    for kind in reversed(order):
        if sum(wanted.values()) > limit:
            wanted[kind] = 0
    while sum(wanted.values()) < limit:
        lacking = {
            kind: limit * counts[kind] / total - wanted[kind]
            for kind in order
            if wanted[kind] < counts[kind]
        }
        wanted[max(order, key=lambda kind: lacking.get(kind, float("-inf")))] += 1
    return wanted


def weighed(docs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What one item of a record weighs, as its manifest says it.

    Returns:
        `labels`: of items with one label each, how many have which; and `item_weight`: how
        far one answer can move the score, 0..1: that of the rarest label in a mean over
        labels, where each has the same weight; else of one item in a mean over items.
    """
    kinds = [kind_of(doc) for doc in docs]
    single = docs and all(k and k in doc["labels"] for k, doc in zip(kinds, docs, strict=True))
    if not single:
        return {"item_weight": 1 / len(docs) if docs else 1.0}
    counts = Counter(kinds)
    return {
        "labels": dict(sorted(counts.items())),
        "item_weight": 1 / (len(counts) * min(counts.values())),
    }
