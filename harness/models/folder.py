"""A model folder: whole and safe to load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.types import ModelSpec


def missing_files(folder: Path) -> list[str]:
    """What a model needs and the folder lacks, by name."""
    missing = [] if (folder / "config.json").exists() else ["config.json"]
    if not any(folder.glob("tokenizer*")):
        missing.append("tokenizer.json")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weights = _table(index).get("weight_map")
        if not isinstance(weights, dict) or not all(_inside(name) for name in weights.values()):
            raise UserError(
                f"{index}: weight_map: expected a table tensor -> a file's name in this folder. "
                f"Fetch or save the folder again."
            )
        shards = sorted(set(weights.values()))
        missing += [shard for shard in shards if not (folder / shard).exists()]
    elif not any(folder.glob("*.safetensors")):
        missing.append("model.safetensors")
    return missing


def has_chat_template(folder: Path) -> bool:
    """Whether a model's folder says how a conversation is put to it."""
    config = folder / "tokenizer_config.json"
    if (folder / "chat_template.jinja").is_file():
        return True
    return config.is_file() and bool(_table(config).get("chat_template"))


def check_folder(spec: ModelSpec, folder: Path) -> None:
    """Refuse a folder that is incomplete, pickled, or of use only with foreign code."""
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
    config = folder / "config.json"
    values = _table(config)
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


def _table(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not JSON ({error}). Fetch or save the model's folder again."
        ) from error
    if not isinstance(values, dict):
        raise UserError(
            f"{path}: found {type(values).__name__}; expected an object. Fetch or save the model's "
            f"folder again."
        )
    return values
