"""The training examples nearest to an item: by a given explanation, else by shared words."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes
from harness.doors.seals import unsealed
from harness.errors import UserError

SHOWN = 3  # examples beside an item
RAREST = 24  # words of an item that are looked up: the others are in half of all texts
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Near:
    """A training example and how like the item it is, 0 to 1."""

    example: str
    similarity: float


class WordIndex:
    """Texts, found by the rare words they share with another text.

    The similarity is the cosine of the two sets of words, each word weighted
    by how few texts hold it (inverse document frequency; Spärck Jones 1972).
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        bags = {name: _words(texts[name]) for name in sorted(texts)}
        counts = Counter(word for bag in bags.values() for word in bag)
        self._weight = {
            word: math.log((1 + len(bags)) / (1 + count)) for word, count in counts.items()
        }
        self._rare = math.log(1 + len(bags))
        self._length = {name: self._norm(bag) for name, bag in bags.items()}
        self._holders: dict[str, list[str]] = defaultdict(list)
        for name, bag in bags.items():
            for word in bag:
                self._holders[word].append(name)

    def nearest(self, text: str) -> list[Near]:
        """Up to `SHOWN` texts, the most alike first; none that shares no word."""
        bag = _words(text)
        known = [word for word in bag if self._weight.get(word, 0.0) > 0]
        known.sort(key=lambda word: (-self._weight[word], word))
        shared: dict[str, float] = defaultdict(float)
        for word in known[:RAREST]:
            for name in self._holders[word]:
                shared[name] += self._weight[word] ** 2
        length = self._norm(bag)
        found = [
            Near(name, round(weight / (length * self._length[name]), 3))
            for name, weight in shared.items()
        ]
        found.sort(key=lambda near: (-near.similarity, near.example))
        return found[:SHOWN]

    def _norm(self, bag: set[str]) -> float:
        weights = (self._weight.get(word, self._rare) ** 2 for word in sorted(bag))
        return math.sqrt(math.fsum(weights)) or 1.0


def read_explained(
    home: Path, model: str, task: str, shots: int, of: Mapping[str, str]
) -> dict[str, list[Near]] | None:
    """Nearest examples by item, from `explain/<model>/<task>@<shots>.json`; None without it.

    An explanation of other weights, another artifact or another content of the task, or
    one that does not say of what it is, is none.

    Args:
        of: `harness.identity.recorded.explained_of` of the record that is shown.
    Raises:
        UserError: the file was changed, or is not of the form
            {"items": [{"id", "nearest": [{"example", "similarity"}]}]}.
    """
    path = home / "explain" / model / f"{task}@{shots}.json"
    if not path.is_file():
        return None
    try:
        content, changed = unsealed(parse_json(read_bytes(path, limits.RECORD_BYTES)))
        if changed:
            raise ValueError(f"changed since it was written, in {', '.join(changed):.300}")
        if content.get("of") != of:
            return None
        items = content["items"]
        return {
            str(item["id"]): [
                Near(str(near["example"]), round(float(near["similarity"]), 3))
                for near in item["nearest"][:SHOWN]
            ]
            for item in items
        }
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not an explanation ({type(error).__name__}: {error}). "
            "Delete it, or run 'bench explain' again."
        ) from error


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower()) if len(word) > 2}
