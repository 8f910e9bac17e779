"""Can what is asked for be done here? What a machine has, what a model lacks, what mends it.

`faults` tells it of a whole run, all together and before anything is computed; `examined` of one
model, for `bench doctor`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UserError, UserErrors

if TYPE_CHECKING:
    from bench.workspace import Recipe, Workspace
    from harness.forecast.machine import Device
    from harness.registry import Resolved
    from harness.types import Domain, LocalModel, ModelSpec, Specializer


@dataclass(frozen=True)
class Lack:
    """Something missing: what, and what mends it (a command, or a line of bench.toml)."""

    what: str
    mend: str


@dataclass(frozen=True)
class Checkup:
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
) -> Checkup:
    from harness.engines.choose import choose_engine
    from harness.forecast.machine import install
    from harness.models.served import is_served
    from harness.models.sources import on_disk

    lacks: list[Lack] = []
    if spec.kind == "reference":
        own = f'[models.my-{spec.name}] source = "path:FOLDER"'
        lacks.append(Lack("a published reference, without weights", own))
        return Checkup(name, "", "it is never run", (), tuple(lacks))
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
        return Checkup(name, "openai", "its source is a server", (spec.source,), tuple(lacks))
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
    return Checkup(name, choice.engine, choice.why, tuple(facts), tuple(lacks))


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


def messages_of(error: UserError) -> list[str]:
    """A user's mistakes, one text each."""
    return list(error.messages) if isinstance(error, UserErrors) else [str(error)]


def faults(
    workspace: Workspace, models: Sequence[Resolved], recipe: Recipe, *, servers: bool = True
) -> list[str]:
    """What keeps models from being made and asked; empty if nothing does.

    Args:
        servers: ask those behind which models are, if it was never done: other machines
            may reach others.
    """
    from harness.models.served import is_served

    found = _folder_faults(workspace)
    for resolved in models:
        if not resolved.model.source:
            found.append(
                f"model '{resolved.name}' is a reference row: it is shown, never run. Leave it out."
            )
            continue
        if resolved.specializer and not resolved.adapter:
            found += making_faults(workspace, resolved, recipe)
        if servers and is_served(resolved.model):
            found += _server_faults(workspace, resolved.model)
    return list(dict.fromkeys(found))


def making_faults(workspace: Workspace, resolved: Resolved, recipe: Recipe) -> list[str]:
    """What keeps a specialised model from being made; empty where one is there already."""
    from bench.workspace import behind_a_server
    from harness.models.served import is_served

    if workspace.is_made(resolved.name):
        return []
    specializer = workspace.registry.specializer(resolved.specializer)
    found: list[str] = []
    if specializer.kind == "adapter" and is_served(resolved.model):
        found.append(behind_a_server(resolved))
    try:
        params = workspace.parameters(specializer, recipe)
        domain = workspace.domain(resolved.domain, recipe)
    except UserError as error:
        return found + messages_of(error)
    begin = f"{specializer.name}-{resolved.model.name}-"
    made = any((workspace.out / "artifacts").glob(f"{begin}*/manifest.json"))
    # Where some are made this one may be, and is then only read: what it lacks is told when it
    # turns out to be another.
    return found if made else found + own_faults(resolved.name, specializer, domain, params)


def own_faults(
    name: str, specializer: Specializer, domain: Domain, params: Mapping[str, Any]
) -> list[str]:
    """What a specializer says it lacks, each in the name of the model that it would make."""
    lacks = getattr(specializer, "faults", None)
    told: Sequence[str] = lacks(domain, params) if lacks else ()
    return [type(fault)(f"{name}: {fault}") for fault in told]


def _server_faults(workspace: Workspace, spec: ModelSpec) -> list[str]:
    """Whether a served model writes there; what is found out is kept and not asked again."""
    try:
        workspace.pool.engine(spec).numerics  # noqa: B018
    except UserError as error:
        return messages_of(error)
    return []


def _folder_faults(workspace: Workspace) -> list[str]:
    """Whether results and fetched models can be kept."""
    from harness.files import cache_folder

    found = []
    for folder, option in ((workspace.out, "--out"), (cache_folder(), "BENCH_CACHE")):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            found.append(
                f"{folder}: cannot be written ({error.strerror}). Make it writable, or name "
                f"another folder with {option}."
            )
    return found
