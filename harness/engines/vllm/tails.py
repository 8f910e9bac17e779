"""What vLLM's prefix cache leaves out: the tokens after the last whole block of a prompt.

vLLM finds a prompt's beginning in its cache in whole blocks of 16 or 32 tokens;
what follows the last of them, the *tail*, it computes again for every request
that begins alike. Here the block that holds an answered request's tail stays
reserved while requests are to follow it. Each of those gets a copy as its own
block, so that it computes what is new in it and nothing else.

This is a KV connector, vLLM's door for keys and values from elsewhere
(`kv_connector_module_path`): one object beside the scheduler, which decides what
is copied, and one in each worker, which copies. Only vLLM imports this file, in
its own processes; so it imports vLLM at its head, as nothing else here does. A
request says under `EXTRA` in `SamplingParams.extra_args` what it is to others:
`[its name, how many will follow it, the one it follows or ""]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorMetadata,
    SupportsHMA,
)
from vllm.v1.kv_cache_interface import (
    FullAttentionSpec,
    MLAAttentionSpec,
    SlidingWindowSpec,
    iter_layer_specs,
)

from harness.engines.vllm.process import EXTRA

# The share of vLLM's blocks that tails may hold at most.
SHARE = 0.5


@dataclass
class Copies(KVConnectorMetadata):  # type: ignore[misc]
    """Blocks to copy before a step: for each group of layers (source, target) pairs."""

    groups: list[list[tuple[int, int]]] = field(default_factory=list)


@dataclass
class Tail:
    """A finished prompt's last block, which is not full, in each group of layers."""

    length: int
    blocks: list[Any]
    followers: int


class TailConnector(KVConnectorBase_V1, SupportsHMA):  # type: ignore[misc]
    """Copies the last block of one request to those that follow it."""

    def __init__(self, vllm_config: Any, role: Any, kv_cache_config: Any) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        self._groups = kv_cache_config.kv_cache_groups
        self._block = _block_size(vllm_config, self._groups)
        self._tails: dict[str, Tail] = {}
        self._copies = Copies([[] for _ in self._groups])
        self._pool: Any = None
        self._caches: dict[str, torch.Tensor] = {}

    @property
    def requires_kv_delivery(self) -> bool:
        """A tail that is not there is computed: nothing has to be delivered."""
        return False

    # Beside the scheduler.

    def bind_gpu_block_pool(self, gpu_block_pool: Any) -> None:
        self._pool = gpu_block_pool

    def get_num_new_matched_tokens(
        self, request: Any, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """The tokens of the tail, where the cache has all that is before it."""
        self._make_room(request.num_tokens)
        tail = self._tails.get(_relations(request)[2])
        if tail is None or num_computed_tokens != self._whole(tail.length):
            return 0, False
        # The last token of a prompt is always computed: its output is what is asked for.
        return max(0, min(tail.length, request.num_tokens - 1) - num_computed_tokens), False

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        if not num_external_tokens:
            return
        tail = self._tails[_relations(request)[2]]
        place = tail.length // self._block
        targets = [group[place] for group in blocks.get_block_ids()]
        for pairs, source, target in zip(self._copies.groups, tail.blocks, targets, strict=True):
            pairs.append((source.block_id, target))

    def build_connector_meta(self, scheduler_output: Any) -> Copies:
        copies, self._copies = self._copies, Copies([[] for _ in self._groups])
        return copies

    def request_finished_all_groups(
        self, request: Any, block_ids: tuple[list[int], ...]
    ) -> tuple[bool, None]:
        """Reserve its tail if requests are to follow it; give back the one that it followed."""
        name, followers, before = _relations(request)
        if (tail := self._tails.get(before)) is not None:
            tail.followers -= 1
            if not tail.followers:
                self._give_back(before)
        length = request.num_prompt_tokens
        place = length // self._block if self._block else 0
        answered = request.num_computed_tokens >= length
        if followers and self._block and length % self._block and answered:
            blocks = [self._pool.blocks[group[place]] for group in block_ids]
            self._pool.touch(blocks)
            self._tails[name] = Tail(length, blocks, followers)
            while len(self._tails) * len(self._groups) > self._pool.num_gpu_blocks * SHARE:
                self._give_back(next(iter(self._tails)))
        return False, None

    def reset_cache(self) -> bool:
        while self._tails:
            self._give_back(next(iter(self._tails)))
        return True

    def _whole(self, length: int) -> int:
        return length - length % self._block

    def _make_room(self, tokens: int) -> None:
        """Give tails back, the oldest first, where they alone keep a request from its blocks."""
        while self._tails:
            held = len(self._tails) * len(self._groups)
            free = self._pool.get_num_free_blocks()
            others = self._pool.num_gpu_blocks - 1 - free - held  # one is vLLM's null block
            needed = (tokens // self._block + 1) * len(self._groups)
            if others > 0 or free >= needed:
                return
            self._give_back(next(iter(self._tails)))

    def _give_back(self, name: str) -> None:
        self._pool.free_blocks(self._tails.pop(name).blocks)

    # In a worker.

    def register_kv_caches(self, kv_caches: dict[str, torch.Tensor]) -> None:
        self._caches = kv_caches

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        """Copy the blocks in every layer; all are read before any is written."""
        for group, pairs in zip(self._groups, self._get_connector_metadata().groups, strict=True):
            if not pairs:
                continue
            device = self._caches[group.layer_names[0]].device
            sources, targets = torch.tensor(pairs, device=device).T
            for name in group.layer_names:
                cache = self._caches[name]
                cache[targets] = cache[sources]

    def wait_for_layer_load(self, layer_name: str) -> None:
        pass

    def save_kv_layer(
        self, layer_name: str, kv_layer: torch.Tensor, attn_metadata: Any, **kwargs: Any
    ) -> None:
        pass

    def wait_for_save(self) -> None:
        pass


def _relations(request: Any) -> tuple[str, int, str]:
    extra = (request.sampling_params.extra_args or {}) if request.sampling_params else {}
    name, followers, before = extra.get(EXTRA, ("", 0, ""))
    return name, followers, before


def _block_size(vllm_config: Any, groups: Any) -> int:
    """Tokens of a block; 0 where a block is more than its tokens' keys and values, or of another
    size elsewhere: then nothing is kept and tails are computed."""
    parallel = vllm_config.parallel_config
    specs = [spec for group in groups for spec in iter_layer_specs(group.kv_cache_spec)]
    sizes = {spec.block_size for spec in specs}
    plain = {type(spec) for spec in specs} <= {
        FullAttentionSpec,
        MLAAttentionSpec,
        SlidingWindowSpec,
    }
    split = parallel.decode_context_parallel_size * parallel.prefill_context_parallel_size
    return sizes.pop() if plain and len(sizes) == 1 and split == 1 else 0
