"""Load a causal language model for inference: device, dtype, quantisation, adapters."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from harness import moved_names
from harness.engines.device import import_torch
from harness.engines.heap import keep_freed_memory
from harness.errors import MissingExtra, UserError

log = logging.getLogger(__name__)


def load_model(
    folder: Path,
    *,
    dtype: str,
    device: str,
    quantisation: str = "",
    device_map: str | Mapping[str, Any] = "",
    memory: Mapping[str, str] | None = None,
    attention: str = "sdpa",
    trust_remote_code: bool = False,
) -> Any:
    """A transformers causal LM in eval mode on `device`, or spread over several.

    Args:
        dtype: one of DTYPES.
        quantisation: "" or "nf4" (bitsandbytes, matrix products in `dtype`).
        device_map: "" for `device` alone; else see `spread`.
        memory: see `spread`.
        attention: "sdpa" or "eager". Architectures without SDPA run eager.
    """
    torch = import_torch()
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    keep_freed_memory()
    options: dict[str, Any] = {"dtype": getattr(torch, dtype)}
    if quantisation:
        options["quantization_config"] = nf4(options["dtype"])
        options["device_map"] = {"": device}
    if device_map:
        options |= spread(device_map, memory or {})
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=trust_remote_code)

    def load(attention: str) -> Any:
        try:
            model, found = AutoModelForCausalLM.from_pretrained(
                str(folder),
                config=config,
                attn_implementation=attention,
                trust_remote_code=trust_remote_code,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
        except SafetensorError as error:
            raise UserError(_unfit(folder, f"a file of weights is damaged ({error})")) from error
        except RuntimeError as error:
            if "mismatch" not in str(error):
                raise
            raise UserError(
                _unfit(folder, f"weights of other sizes than its config.json says ({error!s:.300})")
            ) from error
        # transformers would go on with random numbers in their place.
        if missing := sorted(found["missing_keys"]):
            raise UserError(_unfit(folder, f"no weights {', '.join(missing[:3])}"))
        return model

    try:
        with quantisable() if quantisation else nullcontext():
            model = load(attention)
    except ValueError as error:
        if "on the CPU or the disk" in str(error):
            raise UserError(_too_large(folder)) from error
        if "scaled_dot_product_attention" not in str(error):
            raise
        log.warning("%s has no SDPA attention; it runs with eager attention", config.model_type)
        with quantisable() if quantisation else nullcontext():
            model = load("eager")
    if "disk" in getattr(model, "hf_device_map", {}).values():
        raise UserError(_too_large(folder))
    if quantisation:
        guard_nf4(model)
    elif not device_map:
        model.to(device)
    model.eval()
    return model


def spread(device_map: str | Mapping[str, Any], memory: Mapping[str, str]) -> dict[str, Any]:
    """What `from_pretrained` takes to put a model's layers on several devices (accelerate).

    Layers run one after the other, wherever each is. Weights in a GPU machine's main
    memory would be copied at every pass, and weights on disk read: the first only
    happens where `memory` gives the CPU a share, the second never.

    Args:
        device_map: "auto", "balanced", "sequential", or module -> device.
        memory: device ("0", "cpu") -> the most it may take, as "70GiB".
    """
    if not isinstance(device_map, str):
        return {"device_map": dict(device_map)}
    from accelerate.utils import get_max_memory

    stated = {int(key) if key.isdigit() else key: size for key, size in memory.items()}
    limits = {**get_max_memory(), **stated}
    if import_torch().cuda.is_available() and "cpu" not in stated:
        limits["cpu"] = 0
    return {"device_map": device_map, "max_memory": limits}


def _unfit(folder: Path, found: str) -> str:
    return (
        f"{folder}: found {found}; expected the whole weights of the model that config.json "
        "describes. Fetch or save the folder again."
    )


def _too_large(folder: Path) -> str:
    return (
        f"{folder}: the weights do not fit the memory they may take; some would stay on disk or in "
        'main memory and be copied at every pass. Set quantisation = "nf4", use more GPUs, or '
        'raise the limits under memory (a share for "cpu" allows main memory; slow). '
        "'bench plan' says what the model needs."
    )


def nf4(dtype: Any) -> Any:
    """4-bit NormalFloat with double quantisation. Source: Dettmers et al. 2023 (QLoRA)."""
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise MissingExtra("bitsandbytes", "train", "quantisation 'nf4'") from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


@contextmanager
def quantisable() -> Iterator[None]:
    """Let Falcon's linear layers be quantised while a model loads.

    transformers (5.23) replaces modules that are `torch.nn.Linear` itself. Falcon's are a
    subclass that computes the same, so they would stay as they are without a word.
    """
    from transformers.models.falcon import modeling_falcon

    before = modeling_falcon.FalconLinear
    modeling_falcon.FalconLinear = import_torch().nn.Linear
    try:
        yield
    finally:
        modeling_falcon.FalconLinear = before


def guard_nf4(model: Any) -> None:
    """Keep a CPU forward in eval mode from repacking the 4-bit weights.

    The repacked layout is for inference only: training after a single such
    forward has wrong gradients, silently. Call this before the first forward.

    Raises:
        UserError: no layer was quantised; the weights would take their full size.
    """
    import bitsandbytes

    layers = [m for m in model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
    if not layers:
        raise UserError(
            f"{type(model).__name__} has no layers that bitsandbytes can hold in 4 bits. Leave "
            'quantisation empty, and --set quantisation="" for training.'
        )


__getattr__ = moved_names(__name__)
