"""What runs on a cluster's nodes: actors that do lanes, and one desk on the driver's machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.executors.base import OpenWorker, Worker
from harness.executors.depot import SHARED, Depot, FolderDepot, FsspecDepot, Mirror
from harness.progress import PlainProgress
from harness.types import Job


class Desk:
    """On the driver's machine: takes what the actors say, and their files."""

    def __init__(self, out: Path) -> None:
        self._depot = FolderDepot(out)
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        self._lines.append(line)

    def take_lines(self) -> list[str]:
        """What was said since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def names(self, under: str) -> list[str]:
        return self._depot.names(under)

    def read(self, name: str) -> bytes:
        return self._depot.read(name)

    def write(self, name: str, data: bytes) -> None:
        self._depot.write(name, data)


class DeskDepot:
    """The driver's folder, by way of the desk."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk

    def names(self, under: str) -> list[str]:
        names: list[str] = _got(self._desk.names.remote(under))
        return names

    def read(self, name: str) -> bytes:
        data: bytes = _got(self._desk.read.remote(name))
        return data

    def write(self, name: str, data: bytes) -> None:
        _got(self._desk.write.remote(name, data))


class DeskLines:
    """A stream whose lines the driver's user reads."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk

    def write(self, text: str) -> None:
        if text.strip():
            self._desk.say.remote(text)

    def flush(self) -> None:
        """Nothing is held back."""


class LaneActor:
    """One worker over one base's weights.

    Args:
        out: the driver's project folder; used itself where `token` is seen in it and no
            storage is named.
        storage: an fsspec address through which a copy is kept; "" is the desk.
    """

    def __init__(
        self, open_worker: OpenWorker, out: Path, token: str, storage: str, desk: Any
    ) -> None:
        self._mirror: Mirror | None = None
        if storage or not (out / token).exists():
            depot: Depot = FsspecDepot(storage) if storage else DeskDepot(desk)
            out = Path(tempfile.mkdtemp(prefix="bench-"))
            self._mirror = Mirror(depot, out)
        self._out = out
        self._open_worker = open_worker
        self._progress = PlainProgress(DeskLines(desk))  # type: ignore[arg-type]
        self._worker: Worker | None = None
        self._written: set[Job] = set()

    def specialise(self, model: str) -> tuple[str, str]:
        """Make a model's artifact; a user's mistake or "", and ""."""
        return self._do(lambda worker: worker.specialise(model), "artifacts"), ""

    def record(self, job: Job, label: str, with_it: Sequence[Job]) -> tuple[str, str]:
        """Record a job; a user's mistake or "", and the name of the record's folder.

        Args:
            with_it: the jobs that are to be written in one stream, this one among them.
        """
        folders: list[str] = []

        def part(worker: Worker) -> None:
            if job not in self._written:
                with suppress(UserError):  # told by the jobs
                    worker.write(with_it)
                self._written.update(with_it)
            record = worker.record(job, label)
            folders.extend([record.folder.name] if record.folder else [])

        mistake = self._do(part, f"runs/{job.model}", needs=f"runs/{job.model}")
        return mistake, "".join(folders)

    def close(self) -> None:
        """Leave nothing on this node."""
        if self._mirror:
            shutil.rmtree(self._out, ignore_errors=True)

    def _do(self, part: Callable[[Worker], object], gives: str, needs: str = "") -> str:
        try:
            if self._worker is None:
                kept = self._mirror.kept if self._mirror else None
                self._worker = self._open_worker(self._out, self._progress, kept)
            if self._mirror:
                for under in (*SHARED, *([needs] if needs else [])):
                    self._mirror.pull(under)
            part(self._worker)
            if self._mirror:
                self._mirror.flush()
                self._mirror.push(gives)
        except UserError as error:
            return str(error)
        return ""


def _got(reference: Any) -> Any:
    import ray

    return ray.get(reference)
