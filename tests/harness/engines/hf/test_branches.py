"""Attention by parts against one masked attention over everything, on random forests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.hf import branches
from harness.engines.hf.branches import Branches, split
from harness.engines.prefix import Flat, Forest, flatten, plan_packed
from tests.harness.engines.test_prefix import SEQUENCES

SIZE = 8


def mask_of(flat: Flat, depth: int) -> Any:
    visible = np.concatenate([np.ones((len(flat.tokens), depth), bool), flat.visible], axis=1)
    lowest = torch.finfo(torch.float32).min
    return torch.zeros(visible.shape).masked_fill_(~torch.tensor(visible), lowest)[None, None]


def states(seed: int, heads: int, groups: int, total: int, keys: int) -> tuple[Any, Any, Any]:
    source = torch.Generator().manual_seed(seed)
    shapes = ((1, heads, total, SIZE), (1, groups, keys, SIZE), (1, groups, keys, SIZE))
    query, key, value = (torch.randn(shape, generator=source) for shape in shapes)
    return query, key, value


def passes(sequences: list[list[int]], budget: int) -> list[tuple[Flat, int]]:
    forest = Forest(sequences)
    first = np.zeros(len(forest), dtype=np.int64)
    return [(flatten(forest, step, first), step.depth) for step in plan_packed(forest, budget)]


@settings(max_examples=100, deadline=None)
@given(SEQUENCES, st.integers(1, 40), st.integers(1, 9), st.sampled_from([(4, 4), (6, 2), (3, 1)]))
def test_parts_add_up_to_the_whole(
    sequences: list[list[int]], budget: int, together: int, heads: tuple[int, int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(branches, "TOGETHER", together)
        for seed, (flat, depth) in enumerate(passes(sequences, budget)):
            mask = mask_of(flat, depth)
            total = len(flat.tokens)
            query, key, value = states(seed, *heads, total, depth + total)
            per = heads[0] // heads[1]
            wanted = torch.nn.functional.scaled_dot_product_attention(
                query,
                key.repeat_interleave(per, 1),
                value.repeat_interleave(per, 1),
                attn_mask=mask,
                scale=0.5,
            )
            found, _ = Branches(flat, depth, mask)(None, query, key, value, mask, scaling=0.5)
            torch.testing.assert_close(found, wanted.transpose(1, 2), atol=1e-5, rtol=1e-5)


@given(SEQUENCES, st.integers(1, 40))
def test_each_node_is_in_one_block_and_sees_all_its_ancestors(
    sequences: list[list[int]], budget: int
) -> None:
    for flat, depth in passes(sequences, budget):
        places: list[int] = []
        for group in split(flat, depth):
            for start, stop in group.blocks:
                assert group.start <= start < stop <= group.stop
                places += range(start, stop)
                past = group.past - depth
                assert flat.visible[start:stop, :past].all()
                assert not flat.visible[start:stop, past:start].any()
                assert not flat.visible[start:stop, stop:].any()
        assert places == list(range(len(flat.tokens)))


def test_a_layer_with_another_mask_attends_under_that() -> None:
    flat, depth = passes([[0, 0, 1, 1], [0, 0, 2, 2, 2]], 20)[0]
    own = mask_of(flat, depth)
    total = len(flat.tokens)
    other = own.masked_fill(torch.tril(torch.ones(total, total), -2).bool(), -1e30)
    query, key, value = states(0, 2, 2, total, total)
    layer = SimpleNamespace(is_causal=True)
    attend = Branches(flat, depth, own)
    under, _ = attend(layer, query, key, value, other, scaling=0.5)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=other, scale=0.5
    )
    torch.testing.assert_close(under, wanted.transpose(1, 2))
    assert not torch.allclose(under, attend(layer, query, key, value, own, scaling=0.5)[0])
