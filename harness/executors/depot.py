"""A project's folder kept equal on machines that share no disk.

A *depot* is a place all of them reach: the driver's own folder through Ray, or
any fsspec address (a bucket, a network disk). Files are only ever written
whole, so copying those the other side lacks is all there is to it. Stored
responses grow line by line; each batch of new lines goes over as a file of its
own, which the response store reads like any other segment.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from secrets import token_hex
from typing import Protocol

from harness.errors import UserError
from harness.files import write_bytes

# What other machines may already have made.
SHARED = ("responses", "artifacts")


class Depot(Protocol):
    """Files by name relative to the project's folder, with "/" between folders."""

    def names(self, under: str) -> list[str]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, data: bytes) -> None: ...


class FolderDepot:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, under: str) -> list[str]:
        return sorted(_files(self._folder, under))

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        write_bytes(self._folder / name, data)


class FsspecDepot:
    """An address fsspec understands: `s3://bucket/path`, `gs://...`, `file:///...`."""

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._system, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UserError(
                f"--storage {url}: {error}. Give an address of an installed fsspec file system, "
                "such as s3://bucket/path (pip install s3fs)."
            ) from error

    def names(self, under: str) -> list[str]:
        start = f"{self._root.rstrip('/')}/"
        found: list[str] = self._system.find(start + under)
        return sorted(name.removeprefix(start) for name in found)

    def read(self, name: str) -> bytes:
        data: bytes = self._system.cat_file(f"{self._root}/{name}")
        return data

    def write(self, name: str, data: bytes) -> None:
        path = f"{self._root}/{name}"
        self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(path, data)


def _files(folder: Path, under: str) -> Iterator[str]:
    """Finished files: locks and half-written ones start with a dot."""
    for path in (folder / under).rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()


class Mirror:
    """This machine's copy of the project's folder.

    Args:
        depot: what all machines reach.
        folder: the copy.
    """

    def __init__(self, depot: Depot, folder: Path) -> None:
        self._depot = depot
        self._folder = folder
        self._there: set[str] = set()
        self._lines: SimpleQueue[tuple[Path, bytes] | None] = SimpleQueue()
        self._sender: threading.Thread | None = None
        self._fault: BaseException | None = None

    def pull(self, under: str) -> None:
        """Fetch what the depot has and this copy has not."""
        here = set(_files(self._folder, under))
        for name in self._depot.names(under):
            if name not in here and name not in self._there:
                write_bytes(self._folder / name, self._depot.read(name))
            self._there.add(name)

    def push(self, under: str) -> None:
        """Send what this copy has and the depot has not; records always, as they may be new."""
        for name in sorted(_files(self._folder, under), key=_last_is_last):
            if name not in self._there or under.startswith("runs"):
                self._put(name, (self._folder / name).read_bytes())

    def kept(self, folder: Path, line: bytes) -> None:
        """Send a stored call, without making the model wait."""
        if self._sender is None:
            self._sender = threading.Thread(target=self._send, daemon=True)
            self._sender.start()
        self._lines.put((folder, line))

    def flush(self) -> None:
        """Wait until every stored call is in the depot; raises what kept one from it."""
        if self._sender is not None:
            self._lines.put(None)
            self._sender.join()
            self._sender = None
        if self._fault is not None:
            raise self._fault

    def _put(self, name: str, data: bytes) -> None:
        self._depot.write(name, data)
        self._there.add(name)

    def _send(self) -> None:
        """Everything that has come in since the last file goes into the next one."""
        going = True
        try:
            while going:
                batch: dict[Path, list[bytes]] = defaultdict(list)
                item = self._lines.get()
                while True:
                    if item is None:
                        going = False
                        break
                    batch[item[0]].append(item[1])
                    if self._lines.empty():
                        break
                    item = self._lines.get()
                for folder, lines in batch.items():
                    space = folder.relative_to(self._folder).as_posix()
                    if f"{space}/space.json" not in self._there:
                        self._put(f"{space}/space.json", (folder / "space.json").read_bytes())
                    self._put(f"{space}/sent-{token_hex(8)}.jsonl", b"".join(lines))
        except BaseException as error:  # told by flush(), in the worker's own thread
            self._fault = error


def _last_is_last(name: str) -> tuple[bool, str]:
    """Files whose presence says that the others are whole go last."""
    return (name.endswith(("manifest.json", "record.json")), name)
