"""Checksums of origins' files, recorded at the first fetch and binding ever after.

Where a card states a checksum, that one counts. Elsewhere the revision pins what
is asked for, and this file pins what came: trust on first use. It lies beside the
fetched sets, so that it outlives any of them, and is shared by sets that are made
from the same file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from harness.doors.files import read_object
from harness.files import write_json
from tasks.cards import Origin, SourceFile

NAME = "checksums.lock.json"


def file_key(origin: Origin, file: SourceFile) -> str:
    """The name of an origin's file in the lock: where, at which revision, which path."""
    where, revision = file.url or origin.url, file.revision or origin.revision
    return f"{where}@{revision}/{file.path}" if revision else f"{where}/{file.path}"


@dataclass(frozen=True)
class ChecksumLock:
    """The recorded checksums of a cache folder, `file_key` -> SHA-256."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / NAME

    def read(self) -> dict[str, str]:
        """What is recorded; nothing before the first fetch."""
        if not self.path.exists():
            return {}
        mend = "Restore it; or remove it, and the next fetch records whatever it finds."
        return read_object(self.path, mend=mend)

    def record(self, found: Mapping[str, str]) -> None:
        """Add checksums; what is recorded already stays as it is."""
        with FileLock(self.folder / f".{NAME}.lock"):
            before = self.read()
            after = {**found, **before}
            if after != before:
                write_json(self.path, after)
