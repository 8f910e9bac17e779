"""The artifact of an adapter that was made elsewhere: its files taken into the folder of results.

Taken, not pointed at: the records of a run name an artifact by its digest, and who trains the
adapter anew in its place gets another artifact, while the old one stays what it was. Of what it
was trained on nothing is known, so the leak check has nothing to say of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock

from harness.artifacts.make import MANIFEST, read_artifact
from harness.doors.seals import sealed
from harness.files import digest, sha256_file, sync, write_json
from harness.models.adapters import ADAPTER, CONFIG, WEIGHTS, adapter_folder, content
from harness.types import Artifact, LocalModel, ModelSpec


def given_digest(folder: Path, base: LocalModel) -> str:
    """What an adapter over a base is: other weights, another shape or base, another digest."""
    return digest({"adapter": content(folder), "base": base.digest})


def take(spec: ModelSpec, base: LocalModel, root: Path) -> Artifact:
    """The artifact of an adapter, its files copied if they are not there.

    Args:
        spec: of kind "adapter".
        base: the model it is asked over.
        root: folder of all artifacts.
    Raises:
        UserError: see `adapter_folder`.
    """
    source = adapter_folder(spec)
    key = given_digest(source, base)
    folder = root / f"{spec.name}-{key[:12]}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{folder.name}.lock"):
        if not (folder / MANIFEST).exists():
            kept = folder / "adapter"
            kept.mkdir(parents=True, exist_ok=True)
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(source / name, kept / name)
            sync(folder)
            files = {f"adapter/{name}": sha256_file(kept / name) for name in (CONFIG, WEIGHTS)}
            manifest = {
                "name": spec.name,
                "specializer": ADAPTER,
                "kind": "adapter",
                "base": base.spec.name,
                "base_digest": base.digest,
                "source": spec.source,
                "params": {},
                "digest": key,
                "files": files,
                "facts": {},
            }
            write_json(folder / MANIFEST, sealed(manifest))
    return read_artifact(folder)
