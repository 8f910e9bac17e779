"""Attention of a packed pass by its parts: a past that all share, and branches that share nothing.

Under one mask over everything, most of what is multiplied is thrown away: a node
sees the cache, the chain above it and its own branch, but not the other
branches of the pack. So the nodes attend to what they all see in one product
without a mask, to their own branch under the mask cut out for it, and the two
are merged by their log-sum-exps, which is exact. Heads that share keys are put
below one another as rows of one product, so keys are not repeated.

This is for CPUs, whose kernel gives the log-sum-exp back; elsewhere, for layers
with another mask than the tree's own (sliding windows), and for architectures that
do their attention themselves the one mask stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.engines.device import import_torch
from harness.engines.prefix import Flat

NAME = "selfspec_branches"
# Branches side by side are taken together up to so many nodes: a call costs some 50
# microseconds, as much as the attention of some ten nodes.
TOGETHER = 64


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
        self._cut: dict[tuple[int, int, int], Any] = {}

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
        torch = import_torch()
        _, heads, total, size = query.shape
        groups = key.shape[1]
        query = query.reshape(groups, heads // groups, total, size)
        out = query.new_empty((total, groups, heads // groups, size))
        for group in self.groups:
            self._attend(torch, group, query, key, value, scaling, out)
        return out.view(1, total, heads, size), None

    def _attend(
        self,
        torch: Any,
        group: Group,
        query: Any,
        key: Any,
        value: Any,
        scaling: float | None,
        out: Any,
    ) -> None:
        """Write one group's rows of `out`.

        Args:
            query: [kv heads, heads per kv head, T, d]. out: [T, kv heads, heads per, d].
        """
        groups, per, _, size = query.shape

        def flash(start: int, stop: int, first: int, last: int, mask: Any) -> tuple[Any, Any]:
            found, logs = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                query[:, :, start:stop].reshape(1, groups, per * (stop - start), size),
                key[:, :, first:last],
                value[:, :, first:last],
                attn_mask=mask,
                scale=scaling,
            )
            return (
                found.reshape(groups, per, stop - start, size),
                logs.reshape(groups, per, stop - start, 1),
            )

        past, lo = group.past, group.start
        if past:
            shared, shared_logs = flash(lo, group.stop, 0, past, None)
        for start, stop in group.blocks:
            mask = self._cut_out(start, stop, per, query.dtype)
            own, own_logs = flash(start, stop, self.depth + start, self.depth + stop, mask)
            if past:
                rows = slice(start - lo, stop - lo)
                share = torch.sigmoid(shared_logs[:, :, rows] - own_logs).to(own.dtype)
                own = torch.lerp(own, shared[:, :, rows], share)
            out[start:stop] = own.permute(2, 0, 1, 3)

    def _cut_out(self, start: int, stop: int, per: int, dtype: Any) -> Any:
        """The mask of a block for `per` heads below one another; all layers take the same."""
        if (start, stop, per) not in self._cut:
            keys = slice(self.depth + start, self.depth + stop)
            block = self.mask[:, :, start:stop, keys].to(dtype)
            self._cut[start, stop, per] = block.repeat(1, 1, per, 1)
        return self._cut[start, stop, per]

    def _under_the_mask(self, *states: Any, **options: Any) -> tuple[Any, None]:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[Any, None] = sdpa_attention_forward(*states, **options)
        return found
