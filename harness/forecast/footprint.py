"""Memory a model needs, from its shape alone.

    weights      parameters x bytes a parameter (nf4: 0.5 + the scales, embeddings in `dtype`)
    cache        tokens x 2 x layers x kv_heads x head_size x bytes a value
    activations  tokens a pass x (4 x hidden x bytes + ...) ; see `inference`
    training     LoRA: weights, 16 bytes a trained parameter, activations of a micro-batch

Bytes are exact for weights and cache; activations and what the allocator keeps
are rounded up. Sources: QLoRA's 4.127 bits a weight with double quantisation
(Dettmers et al. 2023, section 3); AdamW in float32 with its gradient and two
moments, 16 bytes a parameter (Rajbhandari et al. 2020, ZeRO, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import read_object
from harness.doors.model import count_weights
from harness.doors.text import plain
from harness.errors import UserError
from harness.types import ModelSpec

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Bits a weight in 4-bit NormalFloat with double quantisation.
NF4_BITS = 4.127
# Kept by the allocator, the CUDA context and libraries, as a share of the device and in bytes.
SPARE_SHARE = 0.05
SPARE_BYTES = 1 << 30


@dataclass(frozen=True)
class ModelShape:
    """A causal language model's sizes. head_size in values; context in tokens."""

    parameters: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int

    @property
    def cached_values(self) -> int:
        """Values of keys and values that one token leaves in the cache."""
        return 2 * self.layers * self.kv_heads * self.head_size

    @property
    def embeddings(self) -> int:
        """Parameters that quantisation leaves alone: the embedding and the head."""
        return 2 * self.vocabulary * self.hidden


@dataclass(frozen=True)
class Footprint:
    """Bytes, in all and by what for."""

    weights: int
    cache: int
    activations: int
    training: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.activations + self.training

    def as_dict(self) -> dict[str, int]:
        return {**asdict(self), "total": self.total}


def weights(shape: ModelShape, dtype: str, quantisation: str) -> int:
    """Bytes of the weights as they are held."""
    size = BYTES[dtype]
    if not quantisation:
        return shape.parameters * size
    whole = min(shape.embeddings, shape.parameters)
    return int((shape.parameters - whole) * NF4_BITS / 8) + whole * size


def inference(
    shape: ModelShape, dtype: str, quantisation: str, *, cached_tokens: int, pass_tokens: int
) -> Footprint:
    """Running the model.

    Args:
        cached_tokens: tokens whose keys and values are held at once: rows x their longest
            sequence, and the shared root.
        pass_tokens: tokens that go through the model at once.
    """
    size = BYTES[dtype]
    # Per token of a pass: the residual stream and the layer's widest matrices (8 x hidden at
    # once covers attention, MLPs of width 4 x hidden and their gates), scores against the
    # cache in float32 for one layer, and the logits, of which 64 rows exist in float32.
    wide = pass_tokens * 8 * shape.hidden * size
    scores = pass_tokens * shape.heads * min(shape.context, pass_tokens + 1024) * 4
    logits = pass_tokens * shape.vocabulary * size + 64 * shape.vocabulary * 4
    return Footprint(
        weights(shape, dtype, quantisation),
        cached_tokens * shape.cached_values * size,
        wide + scores + logits,
    )


def lora_parameters(shape: ModelShape, rank: int) -> int:
    """Trained parameters of LoRA on every linear layer, for MLPs of width 4 x hidden.

    Attention's query, key, value and output and the MLP's two matrices, rank x (in + out) each.
    """
    attention = shape.hidden + (shape.heads + 2 * shape.kv_heads) * shape.head_size
    output = shape.heads * shape.head_size + shape.hidden
    mlp = 2 * (shape.hidden + 4 * shape.hidden)
    return shape.layers * rank * (attention + output + mlp)


def training(
    shape: ModelShape,
    dtype: str,
    quantisation: str,
    *,
    rank: int,
    row_tokens: int,
    checkpointing: bool,
) -> Footprint:
    """LoRA or QLoRA training.

    Args:
        row_tokens: tokens of a micro-batch.
        checkpointing: keep a layer's input only, and compute the layer again.
    """
    size = BYTES[dtype]
    # Of a layer that is kept whole: some 34 bytes a token and hidden value in half precision,
    # without the attention scores (Korthikanti et al. 2022, arXiv 2205.05198, section 4.1).
    layer = row_tokens * shape.hidden * 17 * size
    kept = shape.layers * row_tokens * shape.hidden * size + layer
    activations = kept if checkpointing else shape.layers * layer
    logits = 2 * row_tokens * shape.vocabulary * 4
    return Footprint(
        weights(shape, dtype, quantisation),
        0,
        activations + logits,
        16 * lora_parameters(shape, rank),
    )


def usable(memory: int) -> int:
    """Bytes of a device that a model may take."""
    return max(0, int(memory * (1 - SPARE_SHARE)) - SPARE_BYTES)


def shape_of(spec: ModelSpec, folder: Path | None) -> ModelShape:
    """A model's shape: from its folder where there is one, else as its spec states it.

    Raises:
        UserError: neither says.
    """
    if folder is not None and (folder / "config.json").is_file():
        return _read(folder)
    if spec.shape:
        return ModelShape(**spec.shape)
    raise UserError(
        f"model '{spec.name}' ({spec.origin}): its weights are not on this disk and its shape is "
        f"not stated. Fetch it ('bench models path {spec.name}'), or state it in bench.toml: "
        f"shape = {{ {', '.join(f'{name} = ...' for name in ModelShape.__dataclass_fields__)} }}."
    )


def _read(folder: Path) -> ModelShape:
    """From config.json, in the names of the architectures, and the weights' own headers."""
    config: dict[str, Any] = read_object(folder / "config.json")
    config = config.get("text_config", config)
    hidden = _first(config, "hidden_size", "d_model", "n_embd")
    heads = _first(config, "num_attention_heads", "n_heads", "n_head")
    kv_heads = _first(config, "num_key_value_heads", "num_kv_heads", "n_head_kv") or heads
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        kv_heads = 1
    return ModelShape(
        parameters=_parameters(folder),
        layers=_first(config, "num_hidden_layers", "n_layers", "n_layer"),
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_size=_first(config, "head_dim") or hidden // max(heads, 1),
        vocabulary=_first(config, "vocab_size"),
        context=_first(config, "max_position_embeddings", "max_seq_len", "n_positions") or 2048,
    )


def _first(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = config.get(name)
        if value and not (isinstance(value, int) and 0 < value <= limits.WIDTH):
            raise UserError(
                f"config.json: {name}: found {plain(repr(value)):.80}; expected a whole number, 1 "
                f"to {limits.WIDTH:,}. Fetch or save the model's folder again."
            )
        if value:
            return value
    return 0


def _parameters(folder: Path) -> int:
    """Values in the safetensors files, read from their headers."""
    return sum(map(count_weights, sorted(folder.glob("*.safetensors"))))
