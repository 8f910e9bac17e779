"""The few things the engine asks of a loaded model, whatever its architecture.

Masks are built here and handed over ready-made: transformers takes a 4-D mask
as it is, per kind of attention layer where a model has several. With explicit
position ids that is all a tree of tokens needs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from harness.engines.device import import_torch
from harness.engines.hf.adapters import Adapters
from harness.engines.hf.branches import NAME, Branches
from harness.engines.prefix import Flat

# Rows of logits normalised at once: bounds the float32 copy of a large vocabulary.
READ_ROWS = 64


class Unsupported(Exception):
    """The architecture cannot take this kind of pass; the engine takes a simpler path."""


class Network:
    """A causal LM with explicit masks, positions and cache.

    Args:
        adapters: over the model; None where it never has one.
    Attributes:
        model: the transformers model. device: where it is.
        adapter: the one in use.
        eos_ids: tokens that end a generation, from the model's generation configuration.
    """

    def __init__(self, model: Any, adapters: Adapters | None = None) -> None:
        self.torch = import_torch()
        self.model = model
        self.adapters = adapters
        self.adapter: Path | None = None
        self.device = model.device
        self.config = model.config.get_text_config()
        self.vocabulary = int(self.config.vocab_size)
        parameters = inspect.signature(model.forward).parameters
        self.takes_positions = "position_ids" in parameters
        self._keeps_logits = "logits_to_keep" in parameters
        ends = getattr(model.generation_config, "eos_token_id", None)
        self.eos_ids = frozenset([ends] if isinstance(ends, int) else ends or ())

    def use(self, adapter: Path | None) -> None:
        """Make the model answer as base (None) or with an adapter over it."""
        self.adapter = adapter
        if self.adapters is not None:
            self.adapters.use(adapter)

    @property
    def window(self) -> int:
        """Tokens a sliding-window layer sees, 0 where no layer has a window."""
        kinds = set(getattr(self.config, "layer_types", None) or ())
        if kinds and "sliding_attention" not in kinds:
            return 0
        return int(getattr(self.config, "sliding_window", None) or 0)

    @property
    def bytes_per_token(self) -> int:
        """Keys and values of one token in all layers."""
        config = self.config
        heads = config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // heads
        groups = getattr(config, "num_key_value_heads", None) or heads
        return int(2 * config.num_hidden_layers * groups * size * self.model.dtype.itemsize)

    def cache(self) -> Any:
        """An empty cache that forgets nothing, also under sliding windows."""
        from transformers import DynamicCache

        return DynamicCache()

    def crop(self, cache: Any, length: int) -> None:
        """Forget all but the first `length` tokens."""
        for layer in cache.layers:
            if layer.is_initialized and layer.keys.shape[-2] > length:
                layer.keys = layer.keys[..., :length, :]
                layer.values = layer.values[..., :length, :]

    def rows(self, cache: Any, length: int, count: int) -> Any:
        """A new cache: the first `length` tokens of a one-row cache, for `count` rows."""
        copy = self.cache()
        for index, layer in enumerate(cache.layers):
            if layer.is_initialized and length:
                copy.update(
                    layer.keys[..., :length, :].expand(count, -1, -1, -1),
                    layer.values[..., :length, :].expand(count, -1, -1, -1),
                    index,
                )
        return copy

    def mask(self, visible: Any, queries: Any, keys: Any) -> Any:
        """Additive attention masks, one per kind of layer where the model has several.

        Args:
            visible: bool [B, q, k]: the query may see the key.
            queries: positions [B, q]. keys: positions [B, k].
        Raises:
            Unsupported: the model has a kind of layer no such mask describes.
        """
        kinds = set(getattr(self.config, "layer_types", None) or ())
        if kinds - {"full_attention", "sliding_attention"}:
            raise Unsupported(f"layers of kind {sorted(kinds)}")
        full = self._additive(visible)
        if not self.window:
            return full
        near = queries[:, :, None] - keys[:, None, :] < self.window
        sliding = self._additive(visible & near)
        if len(kinds) > 1:
            return {"full_attention": full, "sliding_attention": sliding}
        return sliding

    def tree_mask(self, flat: Flat, depth: int) -> Any:
        """The mask of a packed pass over a cache of `depth` tokens.

        Raises:
            Unsupported: the model takes distances from places in the cache (ALiBi). The probe
                alone would not do: in bfloat16 rounding can hide them.
        """
        torch = self.torch
        if not self.takes_positions or getattr(self.config, "alibi", False):
            raise Unsupported("it cannot be told the positions of a tree's tokens")
        visible = self.tensor(flat.visible)[None]
        past = visible.new_ones((1, visible.shape[1], depth))
        queries = self.tensor(flat.positions)[None]
        keys = torch.cat([torch.arange(depth, device=self.device)[None], queries], dim=1)
        return self.mask(torch.cat([past, visible], dim=2), queries, keys)

    def packed(self, flat: Flat, columns: Any, *, cache: Any, depth: int) -> Any:
        """Logits [len(columns), V] of a packed pass over the first `depth` tokens of `cache`."""
        mask = self.tree_mask(flat, depth)
        attend: Any = nullcontext()
        if self._splits(flat):
            full = mask["full_attention"] if isinstance(mask, dict) else mask
            attend = self.attention(NAME, Branches(flat, depth, full))
        with attend:
            return self.logits(
                self.tensor(flat.tokens)[None],
                columns,
                cache=cache,
                mask=mask,
                positions=self.tensor(flat.positions)[None],
            )[0]

    def _splits(self, flat: Flat) -> bool:
        """Whether a packed pass attends by parts: SDPA on a CPU, and layers that see all."""
        kinds = set(getattr(self.config, "layer_types", None) or ())
        return (
            self.config._attn_implementation == "sdpa"
            and self.device.type == "cpu"
            and (len(kinds) > 1 or not self.window or int(flat.positions.max()) < self.window)
            and bool(self.model._can_set_attn_implementation())
        )

    @contextmanager
    def attention(self, name: str, function: Callable[..., Any]) -> Iterator[None]:
        """Let the model attend through `function` meanwhile.

        Raises:
            Unsupported: the model does its attention itself.
        """
        from transformers import AttentionInterface

        if not self.model._can_set_attn_implementation():
            raise Unsupported(f"{type(self.model).__name__} has its own attention")
        AttentionInterface.register(name, function)
        before = self.config._attn_implementation
        self.config._attn_implementation = name
        try:
            yield
        finally:
            self.config._attn_implementation = before

    def _additive(self, visible: Any) -> Any:
        dtype = self.model.dtype
        mask = self.torch.zeros(visible.shape, dtype=dtype, device=self.device)
        return mask.masked_fill_(~visible, self.torch.finfo(dtype).min)[:, None]

    def logits(
        self,
        ids: Any,
        columns: Any,
        *,
        cache: Any = None,
        mask: Any = None,
        positions: Any = None,
        adapters: Sequence[Path | None] = (),
    ) -> Any:
        """Logits [B, len(columns), V] at some columns of `ids` [B, S].

        The LM head is taken at those columns only, where the architecture can.
        A given cache is extended in place.

        Args:
            adapters: each row's; () leaves all with the one in use.
        """
        options: dict[str, Any] = {"use_cache": cache is not None}
        model = self.model
        if adapters and self.adapters is not None:
            model, more = self.adapters.over_rows(adapters)
            options |= more
        if cache is not None:
            options["past_key_values"] = cache
        if mask is not None:
            options["attention_mask"] = mask
        if positions is not None and self.takes_positions:
            options["position_ids"] = positions
        if self._keeps_logits:
            options["logits_to_keep"] = columns
        with self.torch.inference_mode():
            out = model(input_ids=ids, **options).logits
        return out if self._keeps_logits else out[:, columns]

    def tensor(self, values: Any) -> Any:
        """A numpy array (or list) on the model's device."""
        return self.torch.as_tensor(values).to(self.device)

    def read(self, logits: Any, rows: list[int], targets: list[int]) -> list[tuple[float, bool]]:
        """Log-probability (nats, float32) of each target, and whether it is the most likely.

        Args:
            logits: [N, V]. rows: which of the N predicts each target.
        """
        torch = self.torch
        total, best = [], []
        for part in logits.split(READ_ROWS):
            wide = part.float()
            total.append(wide.logsumexp(-1))
            best.append(wide.argmax(-1))
        row, target = self.tensor(rows), self.tensor(targets)
        values = logits[row, target].float() - torch.cat(total)[row]
        likely = torch.cat(best)[row] == target
        return list(zip(values.tolist(), likely.tolist(), strict=True))
