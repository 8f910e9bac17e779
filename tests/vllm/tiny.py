"""A tiny random Llama that vLLM's CPU attention takes (heads of 32), and adapters over it."""

from __future__ import annotations

from pathlib import Path

from tests.harness.engines.tiny import WORDS, write_tokenizer

LONGEST = 256


def write_llama(folder: Path, longest: int = LONGEST) -> Path:
    """Two layers of width 64 with weights large enough for answers to differ."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS + 8,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=longest,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    write_tokenizer(folder)
    return folder
