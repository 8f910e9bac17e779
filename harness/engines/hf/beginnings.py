"""What prompts of earlier jobs began with, kept for those of later ones.

A specializer asks in rounds: each round's prompts begin with the demonstrations that earlier ones
began with, and a round alone often has too few of a kind to share them. So prompts are counted
together with those of earlier jobs, and keys and values of a shared beginning are kept, the least
recently used given up first. A longer beginning is computed from the longest that is kept.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.engines.hf.network import Network
from harness.engines.prefix import WORD

# Prompts of earlier jobs that are remembered, the latest, of each adapter.
SEEN = 2048


class Beginnings:
    """Of one load of a network.

    Args:
        most: bytes that keys and values may take; the last one used is kept whatever it takes.
    """

    def __init__(self, network: Network, most: int) -> None:
        self._network, self._most = network, most
        self._seen: dict[Path | None, deque[tuple[int, ...]]] = {}
        # Of each adapter's beginnings (tokens as the forest writes them), the latest used last.
        self._kept: OrderedDict[tuple[Path | None, bytes], Any] = OrderedDict()

    def earlier(self, adapter: Path | None) -> list[tuple[int, ...]]:
        """Prompts of earlier jobs."""
        return list(self._seen.get(adapter, ()))

    def note(self, adapter: Path | None, prompts: Sequence[tuple[int, ...]]) -> None:
        """Remember a job's prompts."""
        self._seen.setdefault(adapter, deque(maxlen=SEEN)).extend(prompts)

    def opened(self, prompt: tuple[int, ...], depth: int, *, extends: bool) -> tuple[Any, int]:
        """A one-row cache of a prompt's first `depth` tokens, and how many were computed for it.

        Made with the adapter in use. The cache may be that of others: it is not to be changed.

        Args:
            extends: the architecture takes ready-made masks, so that a beginning can go on from
                a shorter one.
        """
        network, adapter = self._network, self._network.adapter
        if not depth:
            return network.cache(), 0
        key = adapter, np.asarray(prompt[:depth], dtype=WORD).tobytes()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key], 0
        known = self._longest(key) if extends else None
        start = len(known[1]) // WORD.itemsize if known else 0
        cache = network.rows(self._kept[known], start, 1) if known else network.cache()
        ids = network.tensor([prompt[start:depth]])
        network.logits(
            ids, network.tensor([depth - start - 1]), cache=cache, **self._after(start, depth)
        )
        self._kept[key] = cache
        while len(self._kept) > 1 and self._bytes() > self._most:
            self._kept.popitem(last=False)
        return cache, depth - start

    def clear(self) -> None:
        """Give up all keys and values."""
        self._kept.clear()

    def _longest(self, key: tuple[Path | None, bytes]) -> tuple[Path | None, bytes] | None:
        """The longest beginning of this beginning."""
        found = [one for one in self._kept if one[0] == key[0] and key[1].startswith(one[1])]
        return max(found, key=lambda one: len(one[1]), default=None)

    def _after(self, start: int, depth: int) -> dict[str, Any]:
        """Mask and positions of the tokens from `start` to `depth` after those before them."""
        if not start:
            return {}
        torch, device = self._network.torch, self._network.device
        places = torch.arange(depth, device=device)[None]
        visible = places[:, None] <= places[:, start:, None]
        return {
            "mask": self._network.mask(visible, places[:, start:], places),
            "positions": places[:, start:],
        }

    def _bytes(self) -> int:
        tokens = sum(len(tokens) for _, tokens in self._kept) // WORD.itemsize
        return tokens * self._network.bytes_per_token
