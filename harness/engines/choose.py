"""Which engine runs a model, and opening it: the one place where a spec becomes an Engine.

A further engine is a function in `ENGINES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.doors.files import read_object
from harness.engines.base import Engine
from harness.engines.device import gpu_there
from harness.models.served import SCHEME, is_served, served
from harness.types import Json, LocalModel, ModelSpec

Say = Callable[[str], None]

# Architectures that vLLM had once: model_type -> what became of it.
LEFT_VLLM = {"mpt": "MPT left vLLM after 0.27"}


@dataclass(frozen=True)
class Choice:
    """An engine's name, and why it and no other runs the model."""

    engine: str
    why: str


def choose_engine(spec: ModelSpec, folder: Path | None) -> Choice:
    """The engine a spec asks for; for "auto" what the machine and the architecture allow.

    Args:
        folder: the model's folder, or None while it is not on this disk.
    """
    if is_served(spec):
        return Choice(SCHEME, "its source is a server")
    if spec.engine != "auto":
        return Choice(spec.engine, "asked for")
    fault = vllm_fault(spec, folder)
    return Choice("hf", fault) if fault else Choice("vllm", "installed, with a GPU")


def vllm_fault(spec: ModelSpec, folder: Path | None) -> str:
    """Why "auto" does not take vLLM for a model; "" if it does."""
    config = _config(folder)
    if left := LEFT_VLLM.get(config.get("model_type", "")):
        return left
    if spec.quantisation or spec.device_map:
        return "quantisation and device_map are the transformers engine's"
    if find_spec("vllm") is None:
        return "vLLM is not installed"
    if not gpu_there():
        return 'no GPU; engine = "vllm" asks for vLLM\'s CPU build'
    from vllm import ModelRegistry

    known = ModelRegistry.get_supported_archs()
    if unknown := set(config.get("architectures", ())) - set(known):
        return f"the installed vLLM has no {', '.join(sorted(unknown))}"
    return ""


def _config(folder: Path | None) -> Json:
    config = folder / "config.json" if folder else None
    if config is None or not config.is_file():
        return {}
    return read_object(config)


def open_engine(local: LocalModel, say: Say) -> Engine:
    """The engine for a model on this disk or behind a server; no weight is loaded yet.

    Args:
        say: told what "auto" took and why.
    """
    spec = local.spec
    choice = choose_engine(spec, local.folder)
    if spec.engine == "auto":
        say(f"{spec.name}: engine {choice.engine} ({choice.why})")
    return ENGINES[choice.engine](local, say)


def _open_hf(local: LocalModel, _say: Say) -> Engine:
    from harness.engines.hf.engine import HFEngine

    spec = local.spec
    return HFEngine(
        local.folder,
        dtype=spec.dtype,
        quantisation=spec.quantisation,
        device_map=spec.device_map,
        memory=spec.memory,
        trust_remote_code=spec.trust_remote_code,
        **spec.engine_args,
    )


def _open_vllm(local: LocalModel, _say: Say) -> Engine:
    from harness.engines.vllm.engine import VLLMEngine

    spec = local.spec
    return VLLMEngine(
        local.folder,
        dtype=spec.dtype,
        quantisation=spec.quantisation,
        trust_remote_code=spec.trust_remote_code,
        **spec.engine_args,
    )


def _open_served(local: LocalModel, say: Say) -> Engine:
    from harness.engines.served.engine import OpenAIEngine

    return OpenAIEngine(local, served(local.spec), say)


ENGINES: Mapping[str, Callable[[LocalModel, Say], Engine]] = {
    "hf": _open_hf,
    "vllm": _open_vllm,
    SCHEME: _open_served,
}
