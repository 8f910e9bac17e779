"""Small stand-ins: a tokenizer and models built on the spot, a scripted base, a domain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.progress import NullProgress
from harness.types import Decoding, LocalModel, ModelSpec, Response

_TEXT = """the drug lowers blood pressure in patients with heart failure and is safe yes no
answer question disease gene protein cell list name which of a to for does it task instruction
input response ### : . , ?"""
WORDS = _TEXT.split()


class Told(NullProgress):
    """Keeps the lines that are said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def save_tokenizer(folder: Path, *, chat: bool = False, pad_is_end: bool = True) -> int:
    """Write a word-level tokenizer; returns its vocabulary size. End of text is id 2."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        word: index
        for index, word in enumerate(["<unk>", "<s>", "</s>", "<user>", "<bot>", *WORDS])
    }
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>" if pad_is_end else "<unk>",
        additional_special_tokens=["<user>", "<bot>"],
    )
    if chat:
        tokenizer.chat_template = (
            "{% for m in messages %}{{ '<user> ' if m['role'] == 'user' else '<bot> ' }}"
            "{{ m['content'] + ' </s>\n' }}{% endfor %}"
            "{% if add_generation_prompt %}<bot> {% endif %}"
        )
    tokenizer.save_pretrained(folder)
    return len(vocabulary)


LAYERS = ["sliding_attention", "full_attention"]
ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
# Sizes that most configurations know by these names.
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    **ENDS,
}
GROUPED = {**SIZES, "num_key_value_heads": 1}
# Architecture -> (configuration class, its sizes).
ARCHITECTURES: dict[str, tuple[str, dict[str, object]]] = {
    "llama": ("LlamaConfig", {**GROUPED, "hidden_size": 64, "intermediate_size": 64}),
    "gemma": (
        "Gemma3TextConfig",
        {**GROUPED, "head_dim": 16, "sliding_window": 8, "layer_types": LAYERS},
    ),
    "gpt_neox": ("GPTNeoXConfig", SIZES),
    "mpt": ("MptConfig", {"d_model": 32, "n_heads": 2, "n_layers": 2, "max_seq_len": 128}),
    "falcon": ("FalconConfig", SIZES),
    "phi": ("PhiConfig", SIZES),
    "mixtral": ("MixtralConfig", {**GROUPED, "num_local_experts": 2}),
}


def save_model(folder: Path, architecture: str = "llama", *, chat: bool = False) -> Path:
    """Write a random model of two layers and small width, with its tokenizer."""
    import torch
    import transformers

    size = save_tokenizer(folder, chat=chat)
    torch.manual_seed(0)
    name, sizes = ARCHITECTURES[architecture]
    config = getattr(transformers, name)(vocab_size=size, **sizes)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


class ScriptedBase:
    """A base whose answers are a function of prompt and decoding; counts what it is asked."""

    def __init__(
        self,
        answer: Callable[[str, Decoding], Response],
        folder: Path = Path("nowhere"),
        sampling: dict[str, float] | None = None,
        has_chat_template: bool = False,
    ) -> None:
        self._answer = answer
        self.asked: list[tuple[str, Decoding]] = []
        self.scored: list[tuple[str, str]] = []
        self.released = 0
        self.name = "scripted"
        self.local = LocalModel(
            ModelSpec("scripted", "", sampling=sampling or {}), folder, "0" * 64
        )
        self.has_chat_template = has_chat_template
        self.numerics = {"engine": "scripted"}
        self.adapters: list[Path | None] = []

    def generate(
        self,
        prompts: Sequence[str],
        decoding: Sequence[Decoding],
        *,
        chat: bool = False,
        adapter: Path | None = None,
        label: str = "generate",
    ) -> list[Response]:
        self.adapters += [adapter] * len(prompts)
        self.asked += zip(prompts, decoding, strict=True)
        return [self._answer(p, d) for p, d in zip(prompts, decoding, strict=True)]

    def score(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        adapter: Path | None = None,
        label: str = "score",
    ) -> list[Response]:
        """Varied, and longer continuations are less likely."""
        self.scored += pairs
        return [
            Response("loglikelihood", loglikelihood=-len(b.split()) - hashed(a, b) % 100 / 50)
            for a, b in pairs
        ]

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def release(self) -> None:
        self.released += 1


def generation(text: str, finish: str = "stop") -> Response:
    return Response("generation", text=text, finish=finish, tokens=len(text.split()))  # type: ignore[arg-type]


def hashed(*what: object) -> int:
    """A stable number of what it is given, to script varied answers."""
    return int(hashlib.sha256(repr(what).encode()).hexdigest()[:8], 16)


TYPES = ("ner", "yesno", "list", "factoid")


def save_domain(folder: Path, seeds: int = 8, passages: int = 5, **changes: object) -> Path:
    """Write a small domain; `changes` replace keys of domain.toml (None takes a key out)."""
    folder.mkdir(parents=True, exist_ok=True)
    settings: dict[str, object] = {
        "name": "toy",
        "title": "Toy medicine",
        "description": "Short texts on made-up remedies.",
        "expert": "a careful toy doctor",
        "topics": ["teas", "balms"],
        "seeds": "seeds.jsonl",
        "corpus": "corpus.jsonl",
        **changes,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if value is not None]
    (folder / "domain.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [
        {
            "id": f"seed-{number}",
            "instruction": f"Instruction of seed {number}: say {'abcdefghij'[number % 10] * 5}.",
            "input": f"text {number} of the seed" if number % 3 else "",
            "output": f"answer {number}",
            "task_type": TYPES[number % len(TYPES)],
            "topic": "teas",
        }
        for number in range(seeds)
    ]
    (folder / "seeds.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    remedies = ("willow bark", "ginger root", "honey balm", "mint tea", "garlic oil", "sage gargle")
    rows = [
        {
            "id": f"passage-{number}",
            "title": f"On {remedies[number % 6]}",
            "text": f"Passage {number} says what {remedies[number % 6]} does for a cough.",
        }
        for number in range(passages)
    ]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return folder
