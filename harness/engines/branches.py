"""Attention of a packed pass by its parts: a past that all share, and branches that share nothing.

Under one mask over everything, most of what is multiplied is thrown away: a node
sees the cache, the chain above it and its own branch, but not the other
branches of the pack. So the nodes attend to what they all see in one product
without a mask, to their own branches in one more, where branches of like length
are a batch, and the two are merged by their log-sum-exps, which is exact. Heads
that share keys are put below one another as rows of one product, so keys are not
repeated.

This is for CPUs, whose kernel gives the log-sum-exp back; elsewhere, for layers
with another mask than the tree's own (sliding windows), and for architectures that
do their attention themselves the one mask stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from harness.engines.loading import import_torch
from harness.engines.prefix import Flat, Ints

NAME = "selfspec_branches"
# Branches side by side are one block up to so many nodes.
TOGETHER = 64
# Blocks of a batch are padded to the longest of it, which is at most so much longer.
PADDED = 1.5


@dataclass(frozen=True)
class Group:
    """Nodes of a pass that see the same past.

    Attributes:
        start, stop: their places in the pass.
        past: keys that all of them see, the first ones of the layer's.
        blocks: places (start, stop) that see, beyond the past, only each other.
    """

    start: int
    stop: int
    past: int
    blocks: tuple[tuple[int, int], ...]


def split(flat: Flat, depth: int) -> tuple[Group, ...]:
    """The groups of a pass over a cache of `depth` tokens: the chain, then the branches."""
    groups = []
    if flat.chain:
        groups.append(Group(0, flat.chain, depth, ((0, flat.chain),)))
    blocks: list[tuple[int, int]] = []
    for start, stop in pairwise([*flat.branches, len(flat.tokens)]):
        if blocks and stop - blocks[-1][0] <= TOGETHER:
            blocks[-1] = (blocks[-1][0], stop)
        else:
            blocks.append((start, stop))
    if blocks:
        groups.append(Group(flat.chain, len(flat.tokens), depth + flat.chain, tuple(blocks)))
    return tuple(groups)


def batches(blocks: Sequence[tuple[int, int]]) -> list[Ints]:
    """Blocks of like length side by side.

    Returns:
        of each batch the places [blocks, width]; padding is -1.
    """
    left = sorted(blocks, key=lambda block: (block[0] - block[1], block))
    found = []
    while left:
        width = left[0][1] - left[0][0]
        batch = [block for block in left if PADDED * (block[1] - block[0]) >= width]
        left = left[len(batch) :]
        places = np.full((len(batch), width), -1, dtype=np.int64)
        for row, (start, stop) in enumerate(batch):
            places[row, : stop - start] = np.arange(start, stop)
        found.append(places)
    return found


class Layout:
    """Which rows of the states a group's own attention takes, and where its results are.

    Rows of queries are counted by node, then head; rows of keys by their head, then place.

    Attributes:
        batches: (queries [N x kv heads x heads per kv head x W], keys [N x kv heads x W],
            additive mask [N, 1, heads per kv head x W, W]).
        results: [nodes of the group x heads] where in the batches' results, flat and one
            after the other, those of each node and head are.
    """

    def __init__(
        self, group: Group, mask: Any, depth: int, heads: int, groups: int, dtype: Any
    ) -> None:
        torch = import_torch()
        per, keys = heads // groups, mask.shape[-1]
        head = np.arange(heads).reshape(groups, per)
        results = np.zeros((group.stop - group.start, groups, per), dtype=np.int64)
        self.batches = []
        before = 0
        for places in batches(group.blocks):
            real, at = places >= 0, np.maximum(places, places[:, :1])
            own = torch.as_tensor(depth + at)
            cut = mask[0, 0][torch.as_tensor(at)[:, :, None], own[:, None, :]]
            cut.masked_fill_(torch.as_tensor(~real)[:, None, :], torch.finfo(dtype).min)
            asked = at[:, None, None, :] * heads + head[None, :, :, None]
            seen = np.arange(groups)[None, :, None] * keys + depth + at[:, None, :]
            number = np.arange(before, before + asked.size).reshape(asked.shape)
            results[at[real] - group.start] = number.transpose(0, 3, 1, 2)[real]
            self.batches.append(
                (
                    torch.as_tensor(asked.reshape(-1)),
                    torch.as_tensor(seen.reshape(-1)),
                    cut.to(dtype).repeat(1, per, 1)[:, None],
                )
            )
            before += asked.size
        self.results = torch.as_tensor(results.reshape(-1))


class Branches:
    """The attention function of one pass.

    Args:
        mask: the additive mask [1, 1, T, depth + T] of the pass; a layer that is given
            another one attends under that.
    """

    def __init__(self, flat: Flat, depth: int, mask: Any) -> None:
        self.depth = depth
        self.mask = mask
        self.groups = split(flat, depth)
        self._layouts: dict[tuple[int, int, int], Layout] = {}

    def __call__(
        self,
        module: Any,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any,
        scaling: float | None = None,
        **options: Any,
    ) -> tuple[Any, None]:
        """Attention as transformers asks for it.

        Args:
            query: [1, heads, T, d]. key, value: [1, kv heads, depth + T, d].
        Returns:
            [1, T, heads, d].
        """
        special = (options.get(name) for name in ("softcap", "s_aux", "position_bias"))
        if (
            attention_mask is not self.mask
            or any(one is not None for one in special)
            or query.shape[-1] != value.shape[-1]
        ):
            return self._under_the_mask(
                module, query, key, value, attention_mask, scaling=scaling, **options
            )
        out = query.new_empty(query.transpose(1, 2).shape)
        for group in self.groups:
            self._attend(group, query, key, value, scaling, out[0, group.start : group.stop])
        return out, None

    def _attend(
        self, group: Group, query: Any, key: Any, value: Any, scaling: float | None, out: Any
    ) -> None:
        """Write one group's results.

        Args:
            out: [nodes of the group, heads, d].
        """
        torch = import_torch()
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        heads, groups, size = query.shape[1], key.shape[1], query.shape[-1]
        layout = self._layout(group, heads, groups, query.dtype)
        rows = query[0].transpose(0, 1).reshape(-1, size)
        keys, values = key.reshape(-1, size), value.reshape(-1, size)
        found, logs = [], []
        for asked, seen, mask in layout.batches:
            shape = (len(mask), groups, -1, size)
            own, own_logs = flash(
                rows.index_select(0, asked).view(shape),
                keys.index_select(0, seen).view(shape),
                values.index_select(0, seen).view(shape),
                attn_mask=mask,
                scale=scaling,
            )
            found.append(own.reshape(-1, size))
            logs.append(own_logs.reshape(-1))
        own = torch.cat(found).index_select(0, layout.results).view(out.shape)
        if not group.past:
            out.copy_(own)
            return
        parts = (groups, heads // groups, group.stop - group.start)
        shared, shared_logs = flash(
            query[:, :, group.start : group.stop].reshape(1, groups, -1, size),
            key[:, :, : group.past],
            value[:, :, : group.past],
            scale=scaling,
        )
        shared = shared.reshape(*parts, size).permute(2, 0, 1, 3)
        shared_logs = shared_logs.reshape(*parts, 1).permute(2, 0, 1, 3)
        own_logs = torch.cat(logs).index_select(0, layout.results).view(shared_logs.shape)
        share = torch.sigmoid(shared_logs - own_logs).to(own.dtype)
        torch.lerp(own.view(shared.shape), shared, share, out=out.view(shared.shape))

    def _layout(self, group: Group, heads: int, groups: int, dtype: Any) -> Layout:
        """All layers of the same heads take the same."""
        key = (group.start, heads, groups)
        if key not in self._layouts:
            self._layouts[key] = Layout(group, self.mask, self.depth, heads, groups, dtype)
        return self._layouts[key]

    def _under_the_mask(self, *states: Any, **options: Any) -> tuple[Any, None]:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[Any, None] = sdpa_attention_forward(*states, **options)
        return found
