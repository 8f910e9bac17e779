"""Key-value slots for decoding: one shared root, and a preallocated row per sequence.

Ordinary generation copies the whole cache at every step and reads the shared
beginning once per row. Here a new token is written in place, and the root's
keys and values are multiplied once for the whole batch: the scores against
root and row are put side by side under one softmax, so nothing is
approximated. The idea is Hydragen's (Juravsky et al. 2024, arXiv 2402.05099).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from harness.engines.device import import_torch
from harness.engines.hf.network import Network, Unsupported

NAME = "selfspec_shared_root"


class Slots:
    """Rows of keys and values over a root, and how many tokens each row holds.

    The active rows are always the first ones: a finished row's place is taken
    by the last.

    Args:
        network: the model. root: a one-row cache of `depth` tokens.
        count: rows. width: tokens a row can hold beyond the root.
    """

    def __init__(self, network: Network, root: Any, depth: int, count: int, width: int) -> None:
        torch = network.torch
        self.network = network
        self.depth = depth
        self.width = width
        self.lengths = torch.zeros(count, dtype=torch.long, device=network.device)
        self.active = 0
        self.longest = 0
        self.root = [
            (layer.keys[0, :, :depth].contiguous(), layer.values[0, :, :depth].contiguous())
            for layer in root.layers
        ]
        self.rows: list[tuple[Any, Any]] = []
        self._count = count

    def fill(self, row: int, start: int, places: Any, cache: Any) -> None:
        """Copy nodes of a prefill pass into a row.

        Args:
            start: depth of the first node. places: where the nodes are in `cache`.
        """
        if not self.rows:
            self.rows = [
                (self._empty(layer.keys), self._empty(layer.values)) for layer in cache.layers
            ]
        at, count = start - self.depth, len(places)
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
        self.active = last

    def step(self, tokens: list[int]) -> Any:
        """Feed each active row its newest token; logits [active, V] of the next."""
        network, torch, n = self.network, self.network.torch, self.active
        lengths = self.lengths[:n]
        self.longest = int(lengths.max()) + 1
        place = torch.arange(self.longest, device=network.device)
        own = place[None] <= lengths[:, None]
        root = own.new_ones((n, self.depth))
        positions = (lengths + self.depth)[:, None]
        keys = torch.arange(self.depth + self.longest, device=network.device)[None]
        mask = network.mask(torch.cat([root, own], dim=1)[:, None], positions, keys)
        with network.attention(NAME, shared_root_attention):
            logits = network.logits(
                network.tensor(tokens)[:, None],
                network.tensor([0]),
                cache=cache_type()(self),
                mask=mask,
                positions=positions,
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
            _CURRENT["root"] = self.slots.root[layer_idx] if self.slots.depth else None
            return keys, values

        def get_seq_length(self, layer_idx: int = 0) -> int:
            return self.slots.depth + self.slots.longest - 1

    return SlotCache


# The root of the layer whose cache was last updated: transformers hands the attention
# function keys and values, and nothing else of the cache.
_CURRENT: dict[str, Any] = {"root": None}


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
    """Attention of one new token a row over the shared root and the row's own states.

    Args:
        query: [B, heads, 1, d]. key, value: [B, kv heads, K, d] of the rows.
        attention_mask: additive [B, 1, 1, root + K].
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
    root = _CURRENT["root"]
    if root is not None:
        flat = query.transpose(0, 1).reshape(groups, batch * per, size)
        shared = torch.matmul(flat, root[0].transpose(-1, -2))
        shared = shared.view(groups, batch, per, -1).transpose(0, 1)
        scores = torch.cat([shared, scores], dim=-1)
    scores = scores.float() * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    weights = (scores + attention_mask).softmax(-1).to(query.dtype)
    if root is None:
        out = torch.matmul(weights, value)
    else:
        depth = root[0].shape[1]
        out = torch.matmul(weights[..., depth:], value)
        flat = weights[..., :depth].transpose(0, 1).reshape(groups, batch * per, depth)
        shared = torch.matmul(flat, root[1]).view(groups, batch, per, -1)
        out = out + shared.transpose(0, 1)
    return out.reshape(batch, 1, heads, -1), None
