"""Key-value slots for decoding: shared roots, and a preallocated row per sequence.

Ordinary generation copies the whole cache at every step and reads the shared
beginning once per row. Here a new token is written in place, and a root's
keys and values are multiplied once for all rows over it: the scores against
root and row are put side by side under one softmax, so nothing is
approximated. The idea is Hydragen's (Juravsky et al. 2024, arXiv 2402.05099).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.engines.device import import_torch
from harness.engines.hf.network import Network, Unsupported

NAME = "selfspec_shared_root"


@dataclass(frozen=True)
class Root:
    """A beginning that prompts share.

    Attributes:
        depth: its tokens. cache: a one-row cache of at least as many.
        states: keys and values [heads, depth, d] of each layer.
        adapter: of the model that made it; its rows are written with it too.
    """

    depth: int
    cache: Any
    states: tuple[tuple[Any, Any], ...]
    adapter: Path | None = None


def root_over(cache: Any, depth: int, adapter: Path | None = None) -> Root:
    """The root whose `depth` tokens a one-row cache begins with."""
    states = tuple(
        (layer.keys[0, :, :depth].contiguous(), layer.values[0, :, :depth].contiguous())
        for layer in cache.layers
    )
    return Root(depth, cache, states, adapter)


class Slots:
    """Rows of keys and values, each over a root, and how many tokens each row holds beyond it.

    The active rows are always the first ones: a finished row's place is taken
    by the last.

    Args:
        network: the model.
        count: rows. width: tokens a row can hold beyond its root.
    """

    def __init__(self, network: Network, count: int, width: int) -> None:
        torch = network.torch
        self.network = network
        self.width = width
        self.lengths = torch.zeros(count, dtype=torch.long, device=network.device)
        self.depths = torch.zeros(count, dtype=torch.long, device=network.device)
        self.longest = 0
        self.deepest = 0
        self.roots: list[Root] = []  # of each active row
        self.rows: list[tuple[Any, Any]] = []
        # Roots with more than no tokens, and the rows over each; of the step being made.
        self.over: list[tuple[Root, Any]] = []
        self._count = count

    @property
    def active(self) -> int:
        """Rows in use."""
        return len(self.roots)

    def join(self, roots: Sequence[Root]) -> None:
        """Take rows into use, after those that are; `fill` says what they hold."""
        start = self.active
        self.roots.extend(roots)
        for row, root in enumerate(roots, start):
            self.depths[row] = root.depth

    def fill(self, row: int, start: int, places: Any, cache: Any) -> None:
        """Copy nodes of a prefill pass into a row.

        Args:
            start: depth of the first node. places: where the nodes are in `cache`.
        """
        if not self.rows:
            self.rows = [
                (self._empty(layer.keys), self._empty(layer.values)) for layer in cache.layers
            ]
        at, count = start - self.roots[row].depth, len(places)
        for (keys, values), layer in zip(self.rows, cache.layers, strict=True):
            keys[row, :, at : at + count] = layer.keys[0].index_select(1, places)
            values[row, :, at : at + count] = layer.values[0].index_select(1, places)
        self.lengths[row] = at + count

    def _empty(self, like: Any) -> Any:
        _, heads, _, size = like.shape
        return like.new_zeros((self._count, heads, self.width, size))

    def drop(self, row: int) -> None:
        """Free a row; the last active row moves into its place."""
        last = self.active - 1
        if row != last:
            held = int(self.lengths[last])
            for states in self.rows:
                for tensor in states:
                    tensor[row, :, :held] = tensor[last, :, :held]
            self.lengths[row] = self.lengths[last]
            self.depths[row] = self.depths[last]
            self.roots[row] = self.roots[last]
        self.roots.pop()

    def step(self, tokens: list[int]) -> Any:
        """Feed each active row its newest token; logits [active, V] of the next."""
        network, torch, n = self.network, self.network.torch, self.active
        lengths, depths = self.lengths[:n], self.depths[:n, None]
        self.longest = int(lengths.max()) + 1
        self.deepest = max(root.depth for root in self.roots)
        self.over = [
            (root, network.tensor([row for row, one in enumerate(self.roots) if one is root]))
            for root in {id(root): root for root in self.roots}.values()
            if root.depth
        ]
        shared = torch.arange(self.deepest, device=network.device)[None].expand(n, -1)
        place = torch.arange(self.longest, device=network.device)[None]
        visible = torch.cat([shared < depths, place <= lengths[:, None]], dim=1)
        positions = lengths[:, None] + depths
        mask = network.mask(visible[:, None], positions, torch.cat([shared, depths + place], dim=1))
        with network.attention(NAME, shared_root_attention):
            logits = network.logits(
                network.tensor(tokens)[:, None],
                network.tensor([0]),
                cache=cache_type()(self),
                mask=mask,
                positions=positions,
                adapters=[root.adapter for root in self.roots],
            )
        self.lengths[:n] += 1
        return logits[:, 0]

    def update(self, keys: Any, values: Any, layer: int) -> tuple[Any, Any]:
        """Write the new token's states; what the attention reads of the rows."""
        n = self.active
        row = self.network.torch.arange(n, device=keys.device)
        held_keys, held_values = self.rows[layer]
        held_keys[row, :, self.lengths[:n]] = keys[:, :, 0]
        held_values[row, :, self.lengths[:n]] = values[:, :, 0]
        return held_keys[:n, :, : self.longest], held_values[:n, :, : self.longest]


@lru_cache
def cache_type() -> Any:
    """The transformers cache that stands in front of `Slots` (made when torch is there)."""
    from transformers import Cache

    class SlotCache(Cache):  # type: ignore[misc]
        def __init__(self, slots: Slots) -> None:
            super().__init__(layers=[])
            self.slots = slots

        def update(self, key_states: Any, value_states: Any, layer_idx: int, *_: Any) -> Any:
            keys, values = self.slots.update(key_states, value_states, layer_idx)
            _CURRENT["over"] = [(*root.states[layer_idx], rows) for root, rows in self.slots.over]
            return keys, values

        def get_seq_length(self, layer_idx: int = 0) -> int:
            return self.slots.deepest + self.slots.longest - 1

    return SlotCache


# Keys and values of the roots, and the rows over each, of the layer whose cache was last
# updated: transformers hands the attention function keys and values, and nothing else of it.
_CURRENT: dict[str, list[tuple[Any, Any, Any]]] = {"over": []}


def shared_root_attention(
    _module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    softcap: float | None = None,
    **options: Any,
) -> tuple[Any, None]:
    """Attention of one new token a row over the row's root and its own states.

    Args:
        query: [B, heads, 1, d]. key, value: [B, kv heads, K, d] of the rows.
        attention_mask: additive [B, 1, 1, D + K], D being the depth of the deepest root; what a
            shallower one lacks is masked.
    """
    torch = import_torch()
    if options.get("s_aux") is not None or options.get("position_bias") is not None:
        raise Unsupported("attention with sinks or position bias")
    batch, heads, _, size = query.shape
    groups = key.shape[1]
    per = heads // groups
    scale = size**-0.5 if scaling is None else scaling
    query = query.reshape(batch, groups, per, size)
    # Keys first: the long side as rows is what the kernels for small products like best.
    scores = torch.matmul(key, query.transpose(-1, -2)).transpose(-1, -2)
    deepest = attention_mask.shape[-1] - key.shape[2]
    over = _CURRENT["over"]
    if deepest:
        shared = scores.new_zeros((batch, groups, per, deepest))
        for root_keys, _, rows in over:
            flat = _by_group(query[rows])
            found = torch.matmul(flat, root_keys.transpose(-1, -2))
            found = found.view(groups, len(rows), per, -1).transpose(0, 1)
            shared[rows, ..., : found.shape[-1]] = found
        scores = torch.cat([shared, scores], dim=-1)
    scores = scores.float() * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    weights = (scores + attention_mask).softmax(-1).to(query.dtype)
    out = torch.matmul(weights[..., deepest:], value)
    for root_keys, root_values, rows in over:
        flat = _by_group(weights[rows, ..., : root_keys.shape[1]])
        found = torch.matmul(flat, root_values).view(groups, len(rows), per, -1)
        out[rows] += found.transpose(0, 1)
    return out.reshape(batch, 1, heads, -1), None


def _by_group(rows: Any) -> Any:
    """[b, kv heads, per, x] -> [kv heads, b * per, x]."""
    count, groups, per, last = rows.shape
    return rows.transpose(0, 1).reshape(groups, count * per, last)
