"""What people type for a model that nobody registered: a folder, a GGUF file, a name on the hub.

    ./folder   ~/models/other   weights.gguf            on this disk
    owner/name   hf:owner/name   hf:owner/name@revision   on the hub
    mine=./folder                                         under a name of one's own

A place becomes a `ModelSpec` named by its last part. A peft folder is found to be a LoRA adapter,
over the base that its `adapter_config.json` names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from harness.checks import NAME, name_fault
from harness.errors import UserError
from harness.models.adapters import ADAPTER, CONFIG, hub_config, named_base
from harness.types import ModelSpec

# The origin of a model that is known by its place alone.
PLACED = "named by its place"
_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_OWN_NAME = re.compile(rf"({NAME.pattern})=(.+)", re.DOTALL)


def is_place(text: str) -> bool:
    """Whether a text on the command line means a place and no registered name."""
    place = _split(text)[1]
    scheme = place.partition(":")[0]
    return (
        "/" in place or place in (".", "..") or place.endswith(".gguf") or scheme in ("hf", "path")
    )


def read_place(text: str) -> ModelSpec:
    """The model at a place; `base` of an adapter is what its own file names, or "".

    Raises:
        UserError: nothing is there, or it is no model; or the place gives no name.
    """
    own, place = _split(text)
    if _on_hub(place):
        repository, _, revision = place.removeprefix("hf:").partition("@")
        revision = revision or "main"
        config = hub_config(repository, revision)
        kind: Literal["base", "adapter"] = ADAPTER if config else "base"
        base = named_base(config) if config else ""
        source, last = f"hf:{repository}@{revision}", repository.rpartition("/")[2]
    else:
        path = _weights(place, Path(place.removeprefix("path:")).expanduser().absolute())
        is_adapter = (path / CONFIG).is_file()
        kind, base = (ADAPTER, named_base(path / CONFIG)) if is_adapter else ("base", "")
        source, last = f"path:{path}", path.resolve().name.removesuffix(".gguf")
    name = own or re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("._-")
    if fault := name_fault("models", name):
        why = f"a name that cannot be: {fault}" if name else "no name"
        raise UserError(f"'{place}' gives the model {why}. Give it one: NAME={place}.")
    return ModelSpec(name, source, kind=kind, base=base, origin=PLACED)


def _split(text: str) -> tuple[str, str]:
    """NAME=PLACE, or "" and the place."""
    match = _OWN_NAME.fullmatch(text)
    return (match[1], match[2].strip()) if match else ("", text.strip())


def _on_hub(place: str) -> bool:
    """`owner/name` is a name on the hub, unless a folder of that name is here."""
    if place.startswith("hf:"):
        if _HUB.fullmatch(place.removeprefix("hf:")):
            return True
        raise UserError(
            f"'{place}': expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION, such as "
            "hf:HuggingFaceTB/SmolLM2-135M-Instruct."
        )
    if place.startswith(("path:", ".", "/", "~")) or place.endswith(".gguf"):
        return False
    return _HUB.fullmatch(place) is not None and not Path(place).exists()


def _weights(place: str, path: Path) -> Path:
    """The folder or the .gguf file; a folder that holds one .gguf file alone stands for it."""
    if path.is_file() and path.suffix == ".gguf":
        return path
    if not path.exists():
        raise UserError(f"model '{place}': nothing at {path}. Correct the path.")
    if path.is_dir():
        if (path / CONFIG).is_file() or (path / "config.json").is_file():
            return path
        files = sorted(path.glob("*.gguf"))
        if len(files) == 1:
            return files[0]
        if files:
            named = ", ".join(file.name for file in files[:4])
            raise UserError(
                f"model '{place}': {path} holds {len(files)} models ({named}); name one."
            )
    raise UserError(
        f"model '{place}': {path} is no model. Expected a transformers folder (config.json, "
        f"tokenizer, *.safetensors), a peft folder ({CONFIG}) or a .gguf file."
    )
