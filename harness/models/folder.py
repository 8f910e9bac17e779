"""A model folder: whole and safe to load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.doors.model import check_model, read_table
from harness.doors.paths import check_tree
from harness.errors import UserError
from harness.types import ModelSpec


def missing_files(folder: Path) -> list[str]:
    """What a model needs and the folder lacks, by name."""
    missing = [] if (folder / "config.json").exists() else ["config.json"]
    if not any(folder.glob("tokenizer*")):
        missing.append("tokenizer.json")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weights = read_table(index).get("weight_map")
        if not isinstance(weights, dict) or not all(_inside(name) for name in weights.values()):
            raise UserError(
                f"{index}: weight_map: expected a table tensor -> a file's name in this folder. "
                f"Fetch or save the folder again."
            )
        shards = sorted(set(weights.values()))
        missing += [shard for shard in shards if not (folder / shard).exists()]
    elif not (folder / "model.safetensors").exists():  # the one name that transformers reads
        missing.append("model.safetensors")
    return missing


def has_chat_template(folder: Path) -> bool:
    """Whether a model's folder says how a conversation is put to it."""
    config = folder / "tokenizer_config.json"
    if (folder / "chat_template.jinja").is_file():
        return True
    return config.is_file() and bool(read_table(config).get("chat_template"))


def check_folder(spec: ModelSpec, folder: Path) -> None:
    """Refuse a folder that is incomplete, pickled, or of use only with foreign code."""
    check_tree(folder, links=True)
    missing = missing_files(folder)
    if missing and (folder / "adapter_config.json").is_file():
        raise UserError(
            f"model '{spec.name}': {folder} is a LoRA adapter. Say so in bench.toml: "
            f'kind = "adapter" and base = "NAME" of the model it was trained over; or name the '
            "folder itself on the command line."
        )
    if missing:
        raise UserError(
            f"model '{spec.name}': {folder} lacks {', '.join(missing)}. Expected a whole "
            f"transformers folder with its weights as safetensors (pickled .bin files can run code "
            f"and are refused). Fetch again with a network, or save model and tokenizer with "
            f"save_pretrained and name that folder in bench.toml: [models.my-{spec.name}] "
            f'source = "path:FOLDER".'
        )
    check_model(folder)
    config = folder / "config.json"
    values = read_table(config)
    if "auto_map" in values and not spec.trust_remote_code:
        from harness.models.gguf import has_own_class

        if not has_own_class(values.get("model_type", "")):
            raise UserError(
                f"model '{spec.name}': {config} asks for Python code of its own (auto_map), and "
                f"the installed transformers has no class for its model_type "
                f"'{values.get('model_type', '')}'. If you trust that code, set "
                f"trust_remote_code = true for the model."
            )


def _inside(name: Any) -> bool:
    return isinstance(name, str) and bool(name) and "/" not in name and "\\" not in name
