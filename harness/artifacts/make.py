"""A specialised model's artifact: there already, or made stage by stage.

An artifact's digest covers everything that makes it what it is: the base's
digest, the domain's (seeds, corpus, topics), the specializer with its version
and every parameter. The same digest is the same artifact, so `ensure` is a
look-up. While it is made, its folder holds the finished stages; `manifest.json`
is written last, and a folder without it is an interrupted one, to be continued.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.artifacts.lineage import write_sources
from harness.doors.artifact import read_manifest
from harness.doors.files import parse_json
from harness.doors.seals import sealed, unsealed
from harness.errors import UserError, did_you_mean
from harness.files import digest, sha256_file, share, write_json
from harness.identity.things import artifact_identity
from harness.types import Artifact, BaseModel, Domain, Json, Progress, Specializer

MANIFEST = "manifest.json"
# Of the making, not of what was made: seconds, and the manifest itself.
_NOT_SEALED = (MANIFEST, "run.json", "seconds.json")


def parameters(
    specializer: Specializer, budget: str, overrides: Mapping[str, str]
) -> dict[str, Any]:
    """The parameters of a budget with `--set KEY=VALUE` applied.

    A value is read as JSON where the budget's own value is no string.

    Raises:
        UserError: unknown budget or key, or a value of another type.
    """
    if budget not in specializer.budgets:
        known = ", ".join(specializer.budgets)
        raise UserError(
            f"unknown budget '{budget}' for {specializer.name}."
            f"{did_you_mean(budget, specializer.budgets)} It has: {known}."
        )
    params = dict(specializer.budgets[budget])
    for key, text in overrides.items():
        if key not in params:
            raise UserError(
                f"--set {key}: {specializer.name} has no such parameter."
                f"{did_you_mean(key, params)} It has: {', '.join(sorted(params))}."
            )
        params[key] = _value_like(key, text, params[key])
    return params


def _value_like(key: str, text: str, example: Any) -> Any:
    if isinstance(example, str):
        return text
    try:
        value = parse_json(text)
    except ValueError:
        value = text
    if isinstance(example, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(example):
        raise UserError(
            f"--set {key}={text}: found {type(value).__name__}, expected "
            f"{type(example).__name__} such as {json.dumps(example)}."
        )
    return value


def artifact_digest(
    specializer: Specializer, base: BaseModel, domain: Domain, params: Mapping[str, Any]
) -> str:
    """What the artifact will be, known before it is made.

    The base's numerics and its spec's sampling count too: both change what it
    writes.
    """
    return artifact_identity(
        specializer.name,
        specializer.version,
        base.local.digest,
        base.numerics,
        base.local.spec.sampling,
        domain.digest,
        params,
        inputs_of(specializer, params),
    )


def own_domain(specializer: Specializer, domain: Domain) -> Domain:
    """The domain that a specializer brings (`OwnDomainSpecializer`), else the one asked for."""
    own: Callable[[], Domain] | None = getattr(specializer, "own_domain", None)
    return own() if own else domain


def inputs_of(specializer: Specializer, params: Mapping[str, Any]) -> dict[str, str]:
    """What a specializer says it reads beside base and domain; see `ReadingSpecializer`."""
    inputs: Callable[[Mapping[str, Any]], Mapping[str, str]] | None
    inputs = getattr(specializer, "inputs", None)
    return dict(inputs(params)) if inputs else {}


def ensure(
    specializer: Specializer,
    base: BaseModel,
    domain: Domain,
    params: Mapping[str, Any],
    root: Path,
    progress: Progress,
    more: Mapping[str, Any] | None = None,
) -> Artifact:
    """Return the artifact, making it first if it is not there.

    A second process that wants the same artifact waits for the first.

    A specializer with a domain of its own (`OwnDomainSpecializer`) gets that one, and
    its artifact does not depend on the domain asked for.

    Args:
        root: folder of all artifacts (`bench-out/artifacts`).
        more: what its manifest says beside (`harness.artifacts.makes.facts`).
    """
    domain = own_domain(specializer, domain)
    key = artifact_digest(specializer, base, domain, params)
    name = f"{specializer.name}-{base.name}"
    folder = root / f"{name}-{key[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{folder.name}.lock"):
        if not (folder / MANIFEST).exists():
            progress.say(f"{name}: specialising on domain '{domain.name}' ({folder})")
            began = time.monotonic()
            facts = specializer.specialize(base, domain, params, folder, progress)
            write_sources(folder, domain)
            share(folder)
            manifest: Json = {
                "name": name,
                "specializer": specializer.name,
                "specializer_version": specializer.version,
                "kind": specializer.kind,
                "base": base.name,
                "base_digest": base.local.digest,
                "numerics": dict(base.numerics),
                "sampling": dict(base.local.spec.sampling),
                "domain": domain.name,
                "domain_digest": domain.digest,
                "seeds_digest": digest([vars(seed) for seed in domain.seeds]),
                "corpus_digest": domain.corpus_digest,
                "budget": _nearest_budget(specializer, params),
                "params": dict(params),
                "inputs": inputs_of(specializer, params),
                "digest": key,
                "files": _file_digests(folder),
                "facts": facts,
                **(more or {}),
            }
            # The wall time of this call alone: an interrupted one's earlier
            # stages are in the stages' own files.
            write_json(folder / "run.json", {"seconds": round(time.monotonic() - began, 1)})
            write_json(folder / MANIFEST, sealed(manifest))
        # Those made before sources were kept get theirs.
        write_sources(folder, domain)
    return read_artifact(folder)


def read_artifact(folder: Path) -> Artifact:
    """Read a finished artifact.

    Raises:
        UserError: the manifest is damaged or a file it lists is missing or changed.
    """
    path = folder / MANIFEST
    manifest, changed = unsealed(read_manifest(folder))
    files: dict[str, str] = manifest["files"]
    artifact = Artifact(
        name=manifest["name"],
        specializer=manifest["specializer"],
        base=manifest["base"],
        kind=manifest["kind"],
        folder=folder,
        digest=manifest["digest"],
        manifest=manifest,
    )
    if changed:
        raise UserError(
            f"{path}: changed since the artifact was made, in {', '.join(changed):.300}. Delete "
            f"{folder}; the next run makes it again."
        )
    for name, expected in files.items():
        file = folder / name
        if not file.is_file() or sha256_file(file) != expected:
            state = "changed" if file.exists() else "missing"
            raise UserError(
                f"{file}: {state} since the artifact was made. Delete {folder}; "
                "the next run makes it again."
            )
    return artifact


def _nearest_budget(specializer: Specializer, params: Mapping[str, Any]) -> str:
    """The budget from which the fewest parameters were changed; of several the first."""

    def changed(budget: str) -> int:
        held = specializer.budgets[budget]
        return sum(params.get(key) != held.get(key) for key in {*held, *params})

    return min(specializer.budgets, key=changed)


def _file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that make the artifact what it is, and of all that is shown of it."""
    files = [*folder.glob("*.json*"), *folder.glob("adapter/*")]
    return {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(files)
        if file.is_file() and file.name not in _NOT_SEALED and not file.name.startswith(".")
    }
