"""What a machine has, what a model lacks, what mends it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.forecast.machine import Device
    from harness.types import LocalModel, ModelSpec


@dataclass(frozen=True)
class Lack:
    """Something missing: what, and what mends it (a command, or a line of bench.toml)."""

    what: str
    mend: str


@dataclass(frozen=True)
class Finding:
    """One model: the engine that would run it and why, facts, and what is missing."""

    model: str
    engine: str
    why: str
    facts: tuple[str, ...]
    lacks: tuple[Lack, ...]


def engines(parts: dict[str, str]) -> dict[str, str]:
    """Engine -> the command that makes it usable, "" if it is."""
    from harness.forecast.machine import install

    torch = bool(parts["torch"] and parts["transformers"])
    return {
        "hf": "" if torch else install(["hf"]),
        "vllm": "" if parts["vllm"] else install(["vllm"]),
        "openai": "",
    }


def examined(
    name: str, spec: ModelSpec, trains: bool, parts: dict[str, str], found: list[Device]
) -> Finding:
    from harness.engines.choose import choose_engine
    from harness.forecast.machine import install
    from harness.models.served import is_served
    from harness.models.sources import on_disk

    lacks: list[Lack] = []
    if spec.kind == "reference":
        own = f'[models.my-{spec.name}] source = "path:FOLDER"'
        lacks.append(Lack("a published reference, without weights", own))
        return Finding(name, "", "it is never run", (), tuple(lacks))
    if spec.accept and spec.accept not in os.environ.get("BENCH_ACCEPT", "").split(","):
        lacks.append(
            Lack(
                f"its terms are not accepted: {spec.licence}", f"export BENCH_ACCEPT={spec.accept}"
            )
        )
    if is_served(spec):
        lacks += _served_lacks(spec)
        if trains:
            lacks.append(Lack("weights to train", 'source = "path:FOLDER" or "hf:..."'))
        return Finding(name, "openai", "its source is a server", (spec.source,), tuple(lacks))
    missing = _missing(spec, trains, parts)
    if missing:
        packages = ", ".join(missing)
        lacks.append(Lack(f"not installed: {packages}", install(sorted(set(missing.values())))))
    local = None if missing.keys() & {"transformers", "gguf"} else on_disk(spec)
    facts = [f"on this disk: {local.folder}" if local else f"to be fetched from {spec.source}"]
    choice = choose_engine(spec, local.folder if local else None)
    memory, lack = _memory(spec, local, found)
    facts += memory
    lacks += lack
    return Finding(name, choice.engine, choice.why, tuple(facts), tuple(lacks))


def _missing(spec: ModelSpec, trains: bool, parts: dict[str, str]) -> dict[str, str]:
    """Packages a model needs that are not here -> the extra with each."""
    from harness.forecast.machine import PARTS

    needed = ["vllm"] if spec.engine == "vllm" else ["torch", "transformers"]
    needed += ["peft"] if trains else []
    needed += ["bitsandbytes"] if spec.quantisation == "nf4" else []
    needed += ["accelerate"] if spec.device_map or spec.quantisation else []
    return {name: PARTS[name] for name in needed if not parts[name]}


def _memory(
    spec: ModelSpec, local: LocalModel | None, found: list[Device]
) -> tuple[list[str], list[Lack]]:
    """What the weights take, and whether the devices hold them."""
    from harness.forecast.footprint import shape_of, usable, weights

    try:
        shape = shape_of(spec, local.folder if local else None)
    except UserError:
        return ["size unknown before it is fetched"], []
    gpus = [device for device in found if device.kind == "gpu"]
    places = gpus or found[-1:]
    dtype = spec.dtype
    if dtype in ("auto", "fastest"):
        dtype = "bfloat16" if gpus else "float32"
    need = weights(shape, dtype, spec.quantisation)
    fact = f"weights in {dtype} {spec.quantisation}".strip() + f": {gb(need)} GB"
    if need <= usable(places[0].memory):
        return [fact], []
    room = sum(usable(device.memory) for device in places)
    small = weights(shape, dtype, "nf4")
    if need <= room:
        if spec.device_map:
            return [fact], []
        mend = 'device_map = "auto"'
    elif not spec.quantisation and small <= room:
        mend = 'quantisation = "nf4"' + (
            "" if small <= usable(places[0].memory) else ', device_map = "auto"'
        )
    else:
        mend = f"larger or more devices; 'bench plan --models {spec.name} ...' says what is needed"
    return [fact], [Lack(f"memory: {gb(need)} GB of weights on {gb(places[0].memory)} GB", mend)]


def _served_lacks(spec: ModelSpec) -> list[Lack]:
    """Whether the server answers, and the key is set."""
    from harness.engines.served.client import Broken, Client, Refused
    from harness.models.served import served

    how = served(spec)
    if how.key_env and not os.environ.get(how.key_env):
        return [Lack(f"the key in {how.key_env}", f"export {how.key_env}=...")]
    client = Client(
        how.url,
        how.key_env,
        timeout=min(how.timeout, 10),
        patience=10,
        tries=1,
        say=lambda _line: None,
    )
    try:
        client.ask("models", None, dict, first=True)
    except (Refused, Broken):
        return []  # it is there, and keeps no list of models
    except UserError as error:
        return [Lack(str(error), f"curl {how.url}/models")]
    return []


def gb(amount: int) -> str:
    return f"{amount / 1e9:.1f}"
