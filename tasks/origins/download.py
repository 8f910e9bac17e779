"""Get one file of an origin onto this disk, whole.

A file already there is not asked for again; whether it is the right one is the
caller's to check.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit

from harness.doors import limits
from harness.doors.packed import open_zip
from harness.errors import UserError
from harness.files import digest, open_beside
from tasks.cards import Origin, SourceFile

# Seconds without a byte before a connection counts as dead.
_TIMEOUT = 60
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Sources:
    """Where hub and repositories are found.

    Attributes:
        hub_root: a folder in the layout of the hub's own cache, or None for that cache;
            files that are not in it are asked of the hub.
        hub: the hub's address, or None for huggingface_hub's own setting.
        raw, archive: hosts that serve a repository's file, and its archive, at a commit.
    """

    hub_root: Path | None = None
    hub: str | None = None
    raw: str = "https://raw.githubusercontent.com"
    archive: str = "https://codeload.github.com"

    def get(self, origin: Origin, file: SourceFile, folder: Path) -> Path:
        """The local path of an origin's file.

        Raises:
            UserError: it cannot be had; the message says why and what to do.
        """
        if origin.kind == "hub":
            return self._from_hub(origin, file)
        path = folder / file.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"origin.files: path '{file.path}' leads out of the folder.")
        if origin.kind == "agreement":
            if not path.exists():
                raise UserError(f"{path} is not there. {origin.note}")
            return path
        if not path.exists():
            _download(self._url(origin, file), path)
        return path

    def _url(self, origin: Origin, file: SourceFile) -> str:
        repository = urlsplit(file.url or origin.url).path.strip("/").removesuffix(".git")
        revision = file.revision or origin.revision
        if file.archive:
            return f"{self.archive}/{repository}/zip/{revision}"
        return f"{self.raw}/{repository}/{revision}/{quote(file.path)}"

    def _from_hub(self, origin: Origin, file: SourceFile) -> Path:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        name, revision = file.url or origin.url, file.revision or origin.revision
        where = f"'{file.path}' of the hub's data set {name} at {revision}"
        try:
            found = hf_hub_download(
                name,
                file.path,
                repo_type="dataset",
                revision=revision,
                cache_dir=self.hub_root,
                endpoint=self.hub,
            )
        except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
            offline = os.environ.get("HF_HUB_OFFLINE")
            why = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
            raise UserError(
                f"{where} is not in the hub's cache and {why}. Fetch it where there is a "
                "network, or name a local mirror with --data DIR or BENCH_DATA."
            ) from error
        except EntryNotFoundError as error:
            raise UserError(
                f"missing split: there is no {where}. The card names a file the data set does "
                "not have."
            ) from error
        except (RepositoryNotFoundError, RevisionNotFoundError, HfHubHTTPError) as error:
            raise UserError(f"{where} cannot be had: {error}") from error
        return Path(found)


def contents_digest(archive: Path) -> str:
    """A digest of what a zip holds: hosts pack the same commit into different bytes."""
    with open_zip(archive) as packed:
        members = sorted(name for name in packed.namelist() if not name.endswith("/"))
        return digest({name: sha256(packed.read(name)).hexdigest() for name in members})


def _download(url: str, path: Path) -> None:
    """Stream to a temporary file beside `path`, rename it when it is whole."""
    import requests

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = open_beside(path)
    try:
        with (
            os.fdopen(handle, "wb") as out,
            requests.get(url, stream=True, timeout=_TIMEOUT) as answer,
        ):
            if answer.status_code == 404:
                raise UserError(
                    f"missing split: {url} does not exist. The card names a file the repository "
                    "does not have at this commit."
                )
            answer.raise_for_status()
            held = 0
            for block in answer.iter_content(_BLOCK):
                held += len(block)
                if held > limits.DOWNLOAD:
                    raise UserError(
                        f"{url}: more than {limits.DOWNLOAD:,} bytes; expected a data set's file. "
                        "Nothing was kept. Correct the card's origin."
                    )
                out.write(block)
        os.replace(temporary, path)
    except requests.RequestException as error:
        raise UserError(
            f"{url} cannot be had: {_reason(error)}. Fetch it where there is a network, or name "
            "a local mirror with --data DIR or BENCH_DATA."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else type(error).__name__
