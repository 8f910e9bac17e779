"""A LoRA adapter as a model: what its folder must hold, the base it names, its digest.

It is a peft folder, on this disk or on the hub: `adapter_config.json` and
`adapter_model.safetensors`. Asked over its base, it shares the base's load.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from harness.doors.files import read_object
from harness.doors.model import check_adapter
from harness.errors import UserError
from harness.files import digest, sha256_file
from harness.models.hub import not_had
from harness.types import ModelSpec

# The kind of such a model, and what stands in the place of its specializer: it was made elsewhere.
ADAPTER: Literal["adapter"] = "adapter"
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Keys of the configuration that change no answer: where the base lay when it was trained.
_NO_ANSWER = ("base_model_name_or_path", "revision", "inference_mode", "auto_mapping")


def adapter_faults(spec: ModelSpec) -> list[str]:
    """What is wrong with the kind, source and base of a spec that has a base or is an adapter."""
    if spec.kind == ADAPTER and spec.source.startswith(("path:", "hf:")):
        return []
    return [
        f"kind: found '{spec.kind}' for source '{spec.source}' and base '{spec.base}'; a model of "
        f"kind '{ADAPTER}' is a peft folder (path:FOLDER or hf:OWNER/NAME@REVISION), and no other "
        "has a base. Correct them."
    ]


def named_base(config: Path) -> str:
    """The base that an adapter_config.json names: a folder or a name on the hub; "" for none."""
    return str(_settings(config).get("base_model_name_or_path") or "")


def made_from(folder: Path) -> str:
    """The registered name of the base, where the adapter is part of an artifact made here."""
    manifest = folder.parent / "manifest.json"
    return str(_settings(manifest).get("base") or "") if manifest.is_file() else ""


def hub_config(repository: str, revision: str) -> Path | None:
    """The adapter_config.json of a repository of the hub; None if it has none, or is not here.

    Raises:
        UserError: the hub knows no such repository or revision.
    """
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    held = try_to_load_from_cache(repository, CONFIG, revision=revision)
    if isinstance(held, str):
        return Path(held)
    if isinstance(try_to_load_from_cache(repository, "config.json", revision=revision), str):
        return None  # a model, and it is here
    try:
        # Asked once: a download would try for half a minute without a network.
        if not HfApi().file_exists(repository, CONFIG, revision=revision):
            return None
        return Path(hf_hub_download(repository, CONFIG, revision=revision))
    except (HTTPError, OSError) as error:
        raise not_had(repository, repository, revision, error) from error


def adapter_folder(spec: ModelSpec) -> Path:
    """The peft folder of an adapter, fetched if need be, whole and of a kind that can be run.

    Raises:
        UserError: not to be had, incomplete, or no LoRA.
    """
    scheme, _, rest = spec.source.partition(":")
    if scheme == "hf":
        folder = _snapshot(spec, *rest.split("@", 1))
    else:
        folder = Path(rest).expanduser().absolute()
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise UserError(
                f"model '{spec.name}': {folder} has no {file}. Expected a peft folder as "
                "'save_pretrained' writes it, with its weights as safetensors (pickled .bin files "
                "can run code and are refused)."
            )
    check_adapter(folder)
    return folder


def content(folder: Path) -> dict[str, str]:
    """What an adapter's answers depend on: its shape and its weights, by digest."""
    shape = {k: v for k, v in _settings(folder / CONFIG).items() if k not in _NO_ANSWER}
    return {CONFIG: digest(shape), WEIGHTS: sha256_file(folder / WEIGHTS)}


def _snapshot(spec: ModelSpec, repository: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    wanted = [CONFIG, WEIGHTS]
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except (HTTPError, OSError) as error:
        raise not_had(spec.name, repository, revision, error) from error


def _settings(path: Path) -> dict[str, Any]:
    return read_object(path, mend="Save or fetch the adapter again.")
