"""Two folders of records -> which of the one stands against which of the other.

A model may have been asked one task in several ways: under two dtypes, with another item
limit, by two artifacts of one name. Each is compared with the one most like it, and what
has none beside it is missing, or new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UserErrors
from harness.files import digest
from harness.identity.recorded import task_of
from harness.record import identity_of
from harness.types import Record
from leaderboards.board import ByDraw, Way, way_of
from leaderboards.records.rows import row_key, row_labels

Place = tuple[str, str, int]  # model, task, shots
# What a pair should have in common, the weightiest first. What was asked comes before how it
# was run: another question is not compared at all.
_ALIKE = ("suite", "task_version", "chat", "limit", "sample", "decoding", "content", "wording",
          "dtype", "quantisation", "engine", "numerics", "artifact", "model_digest")  # fmt: skip


@dataclass(frozen=True)
class Against:
    """One model on one task in one way of asking, before and now; one side may be lacking.

    `name` is the model's, with what tells it apart where a side has several of it.
    """

    place: Place
    name: str
    before: ByDraw | None
    now: ByDraw | None


def against(before: Sequence[Record], now: Sequence[Record]) -> list[Against]:
    """Every model, task and number of shots that either side has, like with like.

    Raises:
        UserErrors: two records of one side claim to be the same.
    """
    sides = [_by_place(side) for side in (before, now)]
    found = []
    for place in sorted({*sides[0], *sides[1]}):
        old, new = (side.get(place, []) for side in sides)
        names = _names(old) | _names(new)
        for one, two in _paired(old, new):
            known = two or one
            assert known is not None
            found.append(Against(place, names[id(known)], one, two))
    return found


def _by_place(records: Iterable[Record]) -> dict[Place, list[ByDraw]]:
    places: dict[Place, dict[str, dict[Way, Record]]] = defaultdict(lambda: defaultdict(dict))
    faults = []
    for record in records:
        manifest = record.manifest
        place = (manifest["model"], manifest["task"], manifest["shots"])
        kind = digest(identity_of({**manifest, "draw": 0}))
        draws = places[place][kind]
        way = way_of(record)
        if way in draws:
            faults.append(
                f"two records claim to be {place[0]} on {place[1]}@{place[2]}."
                f"{manifest['draw']}; remove one of the two folders."
            )
        draws[way] = record
    if faults:
        raise UserErrors(faults)
    return {
        place: [kinds[kind] for kind in sorted(kinds)] for place, kinds in sorted(places.items())
    }


def _paired(
    old: Sequence[ByDraw], new: Sequence[ByDraw]
) -> list[tuple[ByDraw | None, ByDraw | None]]:
    """Each of one side with the most like it of the other, the most alike first."""
    ranked = sorted(
        (_unlike(one, two), first, second)
        for first, one in enumerate(old)
        for second, two in enumerate(new)
    )
    taken: dict[int, int] = {}
    for _, first, second in ranked:
        if first not in taken.values() and second not in taken:
            taken[second] = first
    pairs: list[tuple[ByDraw | None, ByDraw | None]] = [
        (old[taken[second]] if second in taken else None, two) for second, two in enumerate(new)
    ]
    return pairs + [(one, None) for first, one in enumerate(old) if first not in taken.values()]


def _unlike(one: ByDraw, two: ByDraw) -> list[bool]:
    mine, its = (_facts(side) for side in (one, two))
    return [mine[key] != its[key] for key in _ALIKE]


def _facts(side: ByDraw) -> Mapping[str, object]:
    manifest = next(iter(side.values())).manifest
    numerics = manifest["numerics"]
    return {
        "sample": "",
        "wording": 0,
        **{key: manifest[key] for key in _ALIKE if key in manifest},
        **{key: numerics.get(key) for key in ("dtype", "quantisation", "engine")},
        "content": task_of(manifest),
    }


def _names(side: Sequence[ByDraw]) -> dict[int, str]:
    """The model's name for each way of asking; where a side has several, with what differs."""
    records = [next(iter(draws.values())) for draws in side]
    rows = row_labels(records)
    names = {}
    for draws, record in zip(side, records, strict=True):
        manifest = record.manifest
        told = [
            f"{word} {manifest.get(key, 0)}"
            for key, word in (("limit", "limit"), ("chat", "chat"), ("suite", "suite"),
                              ("task_version", "version"), ("wording", "wording"))
            if len({str(other.manifest.get(key, 0)) for other in records}) > 1
        ]  # fmt: skip
        label = rows[row_key(record)]
        names[id(draws)] = f"{label} ({', '.join(told)})" if told else label
    return names
