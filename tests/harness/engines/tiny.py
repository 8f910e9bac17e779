"""Tiny random models of the supported architectures, built on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = 120
# Width 32, two layers, four heads: large enough for grouped heads and partial rotary.
SMALL = {
    "vocab_size": WORDS + 8,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 96,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GROUPED = {**SMALL, "num_key_value_heads": 2}


def configurations() -> dict[str, Any]:
    """A configuration per architecture of the acceptance list."""
    import transformers as t

    mixed = ["sliding_attention", "full_attention"]
    return {
        "llama": t.LlamaConfig(**GROUPED),
        "mistral": t.MistralConfig(**GROUPED, sliding_window=9),
        "qwen2": t.Qwen2Config(**GROUPED),
        "gemma3": t.Gemma3TextConfig(
            **GROUPED, head_dim=8, sliding_window=9, layer_types=mixed, query_pre_attn_scalar=8
        ),
        "gpt_neox": t.GPTNeoXConfig(**SMALL),
        "falcon": t.FalconConfig(
            vocab_size=WORDS + 8,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=96,
            initializer_range=0.3,
            bos_token_id=1,
            eos_token_id=2,
        ),
        "mpt": t.MptConfig(
            vocab_size=WORDS + 8,
            d_model=32,
            n_layers=2,
            n_heads=4,
            max_seq_len=96,
            initializer_range=0.3,
            bos_token_id=1,
            eos_token_id=2,
        ),
        "phi": t.PhiConfig(**SMALL),
        "mixtral": t.MixtralConfig(**GROUPED, num_local_experts=4, num_experts_per_tok=2),
    }


def write_tokenizer(folder: Path, bos: bool = False) -> None:
    """A word-level tokenizer "w0 w1 ..."; with `bos` it prepends <s> by itself."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from tokenizers.decoders import Metaspace
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<s>", "</s>", "<unk>"]
    words = [f"▁w{i}" for i in range(WORDS)] + ["▁", "▁.", "w", "."]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(names + words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = Metaspace(prepend_scheme="never")
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=96,
    ).save_pretrained(folder)


def write_model(folder: Path, name: str, bos: bool = False, seed: int = 0) -> Path:
    """A model folder of architecture `name` with random weights."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(configurations()[name])
    for parameter in model.parameters():
        # Some architectures ignore initializer_range; small weights would hide a wrong mask.
        if parameter.dim() > 1 and float(parameter.detach().std()) < 0.1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    write_tokenizer(folder, bos)
    return folder


def write_adapter(folder: Path, model_folder: Path, seed: int = 1) -> Path:
    """A LoRA adapter with random weights over a model folder."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder
