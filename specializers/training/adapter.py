"""The base model under a fresh LoRA adapter; and the adapter as it is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from harness.doors.files import read_object
from harness.engines.loading import guard_nf4, nf4, quantisable
from harness.errors import UserErrors
from harness.files import sync, write_json
from harness.types import LocalModel
from specializers.training.params import TrainParams

_ALL = "all-linear"


def with_adapter(
    folder: Path,
    params: TrainParams,
    trust_remote_code: bool = False,
    placement: Mapping[str, Any] | None = None,
    dtype: str = "",
) -> Any:
    """The base model, frozen and if asked for in 4 bits, under a fresh LoRA adapter.

    Args:
        placement: what puts the layers on several devices
            (`harness.engines.loading.spread`); None for the first GPU or the CPU.
        dtype: in which the base is asked. On a CPU its frozen weights are bfloat16 where this is,
            else float32; on a GPU they are bfloat16 where it can be. The adapter is float32.
    """
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    gpu = torch.cuda.is_available()
    half = (
        torch.cuda.is_bf16_supported() if gpu else dtype == "bfloat16" and not params.quantisation
    )
    frozen = torch.bfloat16 if half else torch.float32
    with quantisable() if params.quantisation else nullcontext():
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=frozen,
            **(placement or {"device_map": {"": 0} if gpu else None}),
            quantization_config=nf4(frozen) if params.quantisation == "nf4" else None,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
        )
    # Nothing is generated here, and packed examples are told apart only without a cache.
    model.config.use_cache = False
    if params.quantisation == "nf4":
        guard_nf4(model)
        # Makes the layers that stay unquantised fp32.
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if params.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        # The embeddings are frozen, and a checkpointed block needs an input with a gradient.
        model.enable_input_require_grads()
    names = params.target_modules
    if faults := _layer_faults(model, names):
        raise UserErrors(faults)
    config = peft.LoraConfig(
        r=params.lora_rank,
        lora_alpha=params.lora_alpha,
        lora_dropout=params.lora_dropout,
        target_modules=names if names == _ALL else names.split(","),
        task_type="CAUSAL_LM",
    )
    adapted = peft.get_peft_model(model, config)
    # peft's card, which nobody reads, takes longer to write than a small adapter's checkpoint.
    adapted.create_or_update_model_card = lambda _: None
    return adapted


def layer_faults(local: LocalModel, names: str) -> list[str]:
    """Names of layers to adapt that a model has not; its shape alone is made, without weights."""
    if names == _ALL:
        return []
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    trust_remote_code = local.spec.trust_remote_code
    config = AutoConfig.from_pretrained(local.folder, trust_remote_code=trust_remote_code)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    return _layer_faults(model, names)


def _layer_faults(model: Any, names: str) -> list[str]:
    if names == _ALL:
        return []
    import torch
    from transformers.pytorch_utils import Conv1D

    linear = (torch.nn.Linear, Conv1D)
    layers = [name for name, layer in model.named_modules() if isinstance(layer, linear)]
    unknown = [
        name
        for name in names.split(",")
        if not any(f".{one}".endswith(f".{name}") for one in layers)
    ]
    expected = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
    return [
        f"target_modules: found '{name}', which is no linear layer of this model; expected "
        f"'{_ALL}' or names with commas between them of: {expected}."
        for name in unknown
    ]


def adapted_modules(model: Any) -> list[str]:
    """The kinds of layers that carry LoRA matrices, by their names in the architecture."""
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    # The matrices of fused experts lie one over another, as base layers of each other.
    layers = [name.split(".lora_")[0].replace(".base_layer", "") for name in trained]
    return sorted({layer.rpartition(".")[2] for layer in layers})


def save_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write the adapter whole, with a configuration that is the same on every machine."""
    work = folder.with_name(".adapter")
    shutil.rmtree(work, ignore_errors=True)
    model.save_pretrained(work, save_embedding_layers=False)
    config = read_object(work / "adapter_config.json")
    config["base_model_name_or_path"] = base_name
    # peft keeps a set, whose order changes from process to process.
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    write_json(work / "adapter_config.json", config)
    sync(work)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(work, folder)
