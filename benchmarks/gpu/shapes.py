"""Models of a named shape with random weights, made on the device, and the engine over them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from harness.engines.base import GenerateRequest, ScoreRequest
from harness.engines.hf.adapters import Adapters
from harness.engines.hf.engine import HFEngine
from harness.engines.hf.network import Network
from harness.types import Decoding
from tests.harness.engines.tiny import configurations, write_tokenizer

# A vocabulary index that random prompts stay below: the tokenizer that travels is tiny.
WORDS = 120


def configuration(name: str, dry: bool) -> Any:
    """Sizes of Qwen2.5-1.5B, Llama 3 8B or MPT-30B; tiny ones of each kind when dry."""
    import transformers as t

    if dry:
        return configurations()[{"1.5B": "qwen2", "8B": "llama", "30B": "mpt"}[name]]
    if name == "1.5B":
        return t.Qwen2Config(
            vocab_size=151936, hidden_size=1536, intermediate_size=8960, num_hidden_layers=28,
            num_attention_heads=12, num_key_value_heads=2, max_position_embeddings=32768,
            tie_word_embeddings=True, eos_token_id=2,
        )  # fmt: skip
    if name == "8B":
        return t.LlamaConfig(
            vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
            num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=8192,
            eos_token_id=2,
        )  # fmt: skip
    return t.MptConfig(
        d_model=7168, n_heads=64, n_layers=48, expansion_ratio=4, max_seq_len=8192,
        vocab_size=50432, eos_token_id=2,
    )  # fmt: skip


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def made(name: str, dry: bool, dtype: str = "bfloat16") -> Any:
    """The model, its weights drawn on the device."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device()):
            model = AutoModelForCausalLM.from_config(configuration(name, dry))
    finally:
        torch.set_default_dtype(before)
    return model.eval()


def engine_over(model: Any, max_length: int, **options: Any) -> HFEngine:
    """The engine as if it had loaded the model."""
    folder = Path(mkdtemp(prefix="gpu-check-"))
    model.config.save_pretrained(folder)
    write_tokenizer(folder)
    dtype = str(model.dtype).removeprefix("torch.")
    engine = HFEngine(folder, dtype=dtype, max_length=max_length, **options)
    engine._loaded = Network(model, Adapters(model))
    return engine


@dataclass(frozen=True)
class Case:
    """Sizes in tokens of the prompts of a task: shared shots, document, answers or what is written.

    Taken from the requests that the real data sets give with SmolLM2's tokenizer.
    """

    shots: int
    document: int
    answers: int = 0
    answer: int = 1
    written: int = 0

    def small(self) -> Case:
        """The same in a window of 96 tokens."""
        return Case(min(self.shots, 30), min(self.document, 9), min(self.answers, 3),
                    min(self.answer, 2), min(self.written, 5))  # fmt: skip


CASES = {
    "ddi5": Case(497, 62, answers=2),
    "hoc5": Case(205, 70, answers=10, answer=3),
    "qa5": Case(1760, 330, answers=3),
    "ddi0": Case(35, 62, answers=2),
    "qa0": Case(6, 328, answers=3),
    "ner5": Case(300, 35, written=64),
}


def asked(case: Case, items: int, seed: int = 0) -> list[Any]:
    """Requests of random tokens in the case's sizes."""
    source = random.Random(seed)

    def some(count: int) -> tuple[int, ...]:
        return tuple(source.randrange(4, WORDS) for _ in range(count))

    shots, answers = some(case.shots), [some(case.answer) for _ in range(case.answers)]
    prompts = [shots + some(case.document) for _ in range(items)]
    if case.written:
        return [GenerateRequest(prompt, Decoding(case.written)) for prompt in prompts]
    return [ScoreRequest(prompt, answer) for prompt in prompts for answer in answers]


def synchronised() -> None:
    """Wait for the device, before a clock is read."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak(reset: bool = False) -> int:
    """Bytes the device held at most since the last reset; 0 on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return 0
    held = int(torch.cuda.max_memory_allocated())
    if reset:
        torch.cuda.reset_peak_memory_stats()
    return held
