"""Folders of weights: what in them would run code, be unpickled, or grow without bound.

transformers, peft and sentence-transformers take more from a folder than weights:
names of classes to import, of second folders to load, of pickled files to fall back
on. Only what is listed here is taken; everything else is refused by name, and each
call of those libraries says `trust_remote_code=False` and `use_safetensors=True`
(tests/doors/test_calls.py).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json, read_json, read_object
from harness.doors.paths import check_tree, inside
from harness.doors.text import plain
from harness.errors import UserError

_PICKLED = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"})
# Keys of a LoRA's configuration that are numbers, names of layers, or read by nobody here.
_LORA_KEYS = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "ensure_weight_tying",
    "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights",
    "layer_replication", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_bias",
    "lora_dropout", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r",
    "rank_pattern", "revision", "target_modules", "target_parameters", "task_type",
    "trainable_token_indices", "use_dora", "use_rslora",
})  # fmt: skip
# What peft writes for keys that are not used; any other value of theirs may name a module.
_UNUSED: dict[str, Any] = {"megatron_core": "megatron.core"}
# (a+)+ and its like take a time that doubles with each letter.
_NESTED = re.compile(r"[*+}][)\]]*[*+{]|\([^)]*\|[^)]*\)[*+{]")
_STAGE = re.compile(
    r"sentence_transformers\.[\w.]+\."
    r"(Transformer|Pooling|Normalize|Dense|LayerNorm|Dropout|StaticEmbedding)"
)


def read_table(path: Path) -> dict[str, Any]:
    """A configuration of a model's folder.

    Raises:
        UserError: no JSON object, too long or too deep.
    """
    return read_object(path, mend="Fetch or save the model's folder again.")


def count_weights(path: Path) -> int:
    """Values in a safetensors file, by its header.

    Raises:
        UserError: no such header, or one that names sizes the file has no place for.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, limits.SAFETENSORS_HEADER):
                raise ValueError(f"a header of {length} bytes")
            header = parse_json(file.read(length))
        header.pop("__metadata__", None)
        total = sum(math.prod(map(_whole, tensor["shape"])) for tensor in header.values())
        if total > 8 * size:  # a bit a value is the least there is
            raise ValueError(f"{total} values in {size} bytes")
    except (OSError, struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{plain(path)}: no whole safetensors file ({plain(error):.200}). Fetch or save the "
            f"model's folder again."
        ) from error
    return total


def _whole(size: Any) -> int:
    if type(size) is not int or not 0 <= size <= limits.WHOLE:
        raise ValueError(f"a size of {size!r:.40}")
    return size


def check_model(folder: Path) -> None:
    """Refuse sizes that no model has, before a library makes room for them."""
    path = folder / "config.json"
    for key, value in _sizes(read_table(path)):
        most = limits.LAYERS if re.search("layers?$|depth$", key) else limits.WIDTH
        if not 0 <= value <= most:
            raise UserError(
                f"{plain(path)}: {plain(key):.80}: found {value:.3g}; expected 0 to {most:,}. "
                f"Fetch or save the model's folder again."
            )
    config = read_table(path)
    for key in ("attn_implementation", "_attn_implementation", "_attn_implementation_internal"):
        if "/" in str(config.get(key) or ""):
            raise UserError(
                f"{plain(path)}: {key}: found {plain(repr(config[key])):.80}, compiled code of the "
                "hub; expected none. Remove the key."
            )
    _check_table(path, config, folder)


def _check_table(path: Path, config: Mapping[str, Any], folder: Path) -> None:
    """A table of embeddings is in the weights, or a library makes room for random numbers."""
    held = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    inner = config.get("text_config")
    table = inner if isinstance(inner, dict) else config
    rows, width = table.get("vocab_size"), table.get("hidden_size", table.get("n_embd"))
    if not (held and isinstance(rows, int) and isinstance(width, int)):
        return
    if rows * width > 8 * held + limits.UNPACKED_FREE:
        raise UserError(
            f"{plain(path)}: vocab_size and hidden_size: found {rows:,} times {width:,}; "
            f"expected what weights of {held:,} bytes can hold. Fetch or save the model's folder "
            f"again."
        )


def _sizes(table: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _sizes(value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and _SIZE.search(key):
            yield key, float(min(value, 10**300))


_SIZE = re.compile(
    r"^(n|num)_.*(layer|head|expert)|^(en|de)coder_.*(layers|heads|ffn_dim)$|(^|_)depth$"
    r"|^n_(embd|inner|ctx|positions)|(hidden|vocab|ate)_size$|^d_(model|ff|kv|inner)$|_dim$"
    r"|^max_position_embeddings$"
)


def check_adapter(folder: Path) -> dict[str, Any]:
    """The configuration of a LoRA adapter, of a kind and with keys that only hold numbers.

    Raises:
        UserError: another kind, which may name folders and modules to load; a key that is
            not known to be harmless.
    """
    check_tree(folder, links=True)
    path = folder / "adapter_config.json"
    if not path.is_file():
        raise UserError(
            f"{plain(folder)} is no peft adapter: it has no adapter_config.json. "
            "Give the folder that peft's 'save_pretrained' wrote."
        )
    config = read_table(path)
    if config.get("peft_type") != "LORA":
        raise UserError(
            f"{plain(path)}: peft_type: found {plain(repr(config.get('peft_type'))):.80}; expected "
            "'LORA'. Merge it into its base's weights (peft's merge_and_unload), save those, and "
            "name their folder."
        )
    for key, value in config.items():
        if key not in _LORA_KEYS and value and value != _UNUSED.get(key):
            raise UserError(
                f"{plain(path)}: {plain(key):.80}: found {plain(repr(value)):.80}; expected a LoRA "
                "without it: it may name code to import. Merge the adapter into its base's "
                "weights, or save it without that key."
            )
        for pattern in _patterns(key, value):
            if len(pattern) > limits.WORDS or _NESTED.search(pattern):
                raise UserError(
                    f"{plain(path)}: {key}: found a pattern that may take for ever, "
                    f"{plain(pattern):.80}; expected names of layers. Write them as a list."
                )
    if type(config.get("r")) is not int or not 0 < config["r"] <= limits.RANK:
        raise UserError(
            f"{plain(path)}: r: found {plain(repr(config.get('r'))):.80}; expected a whole number, "
            f"1 to {limits.RANK}. Save the adapter again."
        )
    return config


def _patterns(key: str, value: Any) -> list[str]:
    """The regular expressions that peft matches with the names of layers."""
    if key in ("target_modules", "exclude_modules") and isinstance(value, str):
        return [value]
    if key == "layers_pattern":
        return [str(part) for part in (value if isinstance(value, list) else [value or ""])]
    if key in ("alpha_pattern", "rank_pattern") and isinstance(value, dict):
        return list(value)
    return []


def check_embedding(folder: Path) -> None:
    """Refuse an embedding folder whose stages name code, or hold pickled weights."""
    check_tree(folder, links=True)
    path = folder / "modules.json"
    if path.is_file():
        stages = read_json(path, mend="Fetch or save the model's folder again.")
        for stage in stages if isinstance(stages, list) else [stages]:
            kind = stage.get("type") if isinstance(stage, dict) else stage
            if isinstance(stage, dict):
                inside(folder, folder / str(stage.get("path") or ""), what="a stage's folder")
            if not (isinstance(kind, str) and _STAGE.fullmatch(kind)):
                raise UserError(
                    f"{plain(path)}: type: found {plain(repr(kind)):.80}; expected a stage of "
                    "sentence-transformers (Transformer, Pooling, Normalize, Dense, LayerNorm). "
                    "Other code of a folder is not run."
                )
    for config in folder.rglob("*.json"):
        if config.name in ("tokenizer.json", "modules.json", "vocab.json"):
            continue
        small = config.is_file() and config.stat().st_size < 2**20
        held = read_json(config, mend="Fetch or save the model's folder again.") if small else {}
        told = _named_code(held)  # a list too: what a model was trained on stands in one
        if told:
            raise UserError(
                f"{plain(config)}: {told}: names code of its own; expected none. Take another "
                f"embedding model."
            )
    for file in folder.rglob("*"):
        if file.suffix in _PICKLED and file.parent != folder:
            raise UserError(
                f"{plain(file)}: found pickled weights, which can run code; expected safetensors. "
                f"Load and save the model with sentence-transformers 5 or newer where you trust it."
            )


def _named_code(held: Any) -> str:
    """A key that has a library import or trust something; "" for none."""
    if isinstance(held, list):
        return next(filter(None, map(_named_code, held)), "")
    for key, value in held.items() if isinstance(held, dict) else ():
        if key == "trust_remote_code" and value:
            return str(key)
        named = str(value)
        if key == "activation_function" and "." in named and not named.startswith("torch.nn."):
            return f"{key} {plain(named):.80}"
        if told := _named_code(value):
            return told
    return ""
