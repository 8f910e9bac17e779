"""Can everything that is asked for be done here? Told together, before anything is computed.

What the models, the specializers with their domains and the folder of results lack.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import UserError, UserErrors

if TYPE_CHECKING:
    from bench.workspace import Recipe, Workspace
    from harness.registry import Resolved
    from harness.types import ModelSpec


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
    from bench.workspace import MADE, behind_a_server
    from harness.models.served import is_served

    if MADE in resolved.name and resolved.name not in workspace.registry.names("models"):
        return []  # names what was made
    specializer = workspace.registry.specializer(resolved.specializer)
    found: list[str] = []
    if specializer.kind == "adapter" and is_served(resolved.model):
        found.append(behind_a_server(resolved))
    try:
        params = workspace.parameters(specializer, recipe)
        domain = workspace.domain(resolved.domain, recipe)
    except UserError as error:
        return found + messages_of(error)
    lacks = getattr(specializer, "faults", None)
    begin = f"{specializer.name}-{resolved.model.name}-"
    made = any((workspace.out / "artifacts").glob(f"{begin}*/manifest.json"))
    # Where some are made this one may be, and is then only read: what it lacks is told when it
    # turns out to be another.
    if lacks is not None and not made:
        found += [f"{resolved.name}: {fault}" for fault in lacks(domain, params)]
    return found


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
