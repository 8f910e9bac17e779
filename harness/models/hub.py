"""A model on the Hugging Face hub -> its snapshot in the hub client's own cache.

That cache (HF_HOME) may hold the model already, from any other program; the
client downloads atomically, and resumes. Only files that cannot run code are
asked for.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.identity.things import MODEL_FILES
from harness.models.folder import missing_files
from harness.progress import NullProgress
from harness.types import ModelSpec, Progress


def snapshot(spec: ModelSpec, progress: Progress) -> tuple[ModelSpec, Path]:
    """Download what is missing of the model; return the spec with its commit, and the folder.

    A pinned model that is there in full is found without a network.

    Raises:
        UserError: not to be had: no network, no access, no such name.
    """
    from huggingface_hub import HfApi, snapshot_download

    # HTTPError is that of the client's own HTTP library, whichever it is.
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if isinstance(progress, NullProgress):
        disable_progress_bars()
    repository, revision, wanted = _wanted(spec)
    try:
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            if folder := _cached(spec, repository, wanted):
                return spec, folder
            # Asked once: the download itself would try for half a minute without a network.
            HfApi().model_info(repository, revision=revision)
        progress.say(f"fetch {spec.name} from the hub: {repository}@{revision}")
        folder = Path(snapshot_download(repository, **wanted))
    except (HTTPError, OSError) as error:
        raise not_had(spec.name, repository, revision, error) from error
    # The hub cache names a snapshot's folder by the commit it resolved.
    return replace(spec, source=f"hf:{repository}@{folder.name}"), folder


def cached_snapshot(spec: ModelSpec) -> tuple[ModelSpec, Path] | None:
    """The spec with its commit, and the folder, if the hub cache holds the model in full."""
    repository, _, wanted = _wanted(spec)
    folder = _cached(spec, repository, wanted)
    if folder is None:
        return None
    return replace(spec, source=f"hf:{repository}@{folder.name}"), folder


def _wanted(spec: ModelSpec) -> tuple[str, str, dict[str, Any]]:
    """Repository, revision, and what the hub client is to get of them."""
    repository, _, revision = spec.source.removeprefix("hf:").partition("@")
    code = ["*.py"] if spec.trust_remote_code else []
    return (
        repository,
        revision,
        {
            "revision": revision,
            "allow_patterns": [spec.file] if spec.file else [*MODEL_FILES, *code],
            "ignore_patterns": None if spec.file else ["*/*"],
        },
    )


def _cached(spec: ModelSpec, repository: str, wanted: dict[str, Any]) -> Path | None:
    """The snapshot if the hub cache holds it in full."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, local_files_only=True, **wanted))
    except LocalEntryNotFoundError:
        return None
    missing = not (folder / spec.file).exists() if spec.file else missing_files(folder)
    return None if missing else folder


def not_had(name: str, repository: str, revision: str, error: Exception) -> UserError:
    """What the user is told of a model or an adapter that the hub did not give."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(
        f"model '{name}': could not fetch {repository}@{revision} from the hub, and it is "
        f"not in the local hub cache ({said}). {_next_step(error, repository)}; or name a "
        f'local copy in bench.toml: [models.my-{name.rpartition("/")[2]}] source = "path:FOLDER".'
    )


def _next_step(error: Exception, repository: str) -> str:
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return f"Ask for access on the model's hub page ({repository}) and run 'hf auth login'"
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return "Check name and revision; for a private model run 'hf auth login'"
    return "Connect to the network (unset HF_HUB_OFFLINE) and try again"
