"""Full disks, closed folders and failed allocations: one message, exit code 2, and on it goes."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.faults.job import Workspace, live
from tests.faults.kills import Undisturbed, on_file_operations, resumed
from tests.faults.workers import share_out

ERRORS = (errno.ENOSPC, errno.EACCES, errno.EROFS)


@dataclass
class Tally:
    """Lives of one kind of fault: how many, how many of them it ended, what was wrong."""

    lives: int = 0
    ended: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.lives += other.lives
        self.ended += other.ended
        self.faults += other.faults

    def tell(self, what: str) -> list[str]:
        """Print the figures; the faults."""
        print(
            f"{what}: {self.lives} lives, {self.ended} of them ended by it with one message; "
            f"all resumed after; {len(self.faults)} faults",
            flush=True,
        )
        return self.faults


def full_at_writes(work: Workspace, whole: Undisturbed, sites: int | None, seed: int) -> list[str]:
    """From one file operation in the results' folder on each fails.

    Args:
        sites: how many write sites, at random; None for all. A site's first operation is struck.
    """
    first: dict[str, int] = {}
    for number, site in enumerate(whole.operations, 1):
        first.setdefault(site, number)
    numbers = sorted(first.values())
    if sites is not None:
        numbers = sorted(random.Random(seed).sample(numbers, sites))
    trials = [partial(_full_from, work, whole, n, i) for i, n in enumerate(numbers)]
    tally = Tally()
    for part in share_out(work.folder, trials):
        tally.add(part)
    return tally.tell(f"disk full or closed from {len(numbers)} of {len(first)} write sites on")


def _full_from(work: Workspace, whole: Undisturbed, site: int, index: int) -> Tally:
    out, code = work.folder / f"full-{site}", ERRORS[index % len(ERRORS)]

    def at(number: int, path: str) -> None:
        if number >= site:
            raise OSError(code, os.strerror(code), path)

    name = f"{errno.errorcode[code]} from file operation {site} ({whole.operations[site - 1]})"
    tally = _struck(work, out, whole, name, on_file_operations(out, at))
    shutil.rmtree(out)
    return tally


def large_files(work: Workspace, whole: Undisturbed, sizes: Sequence[int]) -> list[str]:
    """No file may grow over a size: strikes the libraries' writers of weights and checkpoints."""
    out, tally = work.folder / "large", Tally()
    for size in sizes:

        def limit(size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        tally.add(_struck(work, out, whole, f"files of at most {size} bytes", limit))
        shutil.rmtree(out)
    return tally.tell(f"files limited to {len(sizes)} sizes")


def small_disks(work: Workspace, whole: Undisturbed, sizes: Sequence[int]) -> list[str]:
    """Real disks of so many KiB that fill up, are read-only, then are enlarged."""
    out, tally = work.folder / "disk", Tally()
    out.mkdir()
    for size in sizes:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(out)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            print("small disks: left out, mount is not allowed here")
            return []
        try:
            name = f"disk of {size} KiB"
            tally.add(_told(work, out, name))
            _remount(out, "ro")
            tally.add(_told(work, out, f"{name}, read-only"))
            _remount(out, "rw,size=64m")
            tally.faults += [f"{name}: {fault}" for fault in resumed(work, out, whole)]
        finally:
            subprocess.run(["umount", "-l", str(out)], check=True)
        Path(f"{out}.answers").unlink()
    return tally.tell(f"{len(sizes)} small disks, each read-only too")


def little_memory(work: Workspace, whole: Undisturbed, sizes: Sequence[int]) -> list[str]:
    """A life may take only so many MiB more than its warm parent has."""
    out, tally = work.folder / "memory", Tally()
    for size in sizes:

        def limit(size: int = size) -> None:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + size * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

        tally.add(_struck(work, out, whole, f"{size} MiB of memory", limit))
        shutil.rmtree(out, ignore_errors=True)
    return tally.tell(f"memory limited to {len(sizes)} sizes")


def failed_allocations(work: Workspace, whole: Undisturbed) -> list[str]:
    """An allocation fails in training, then, when the adapter is made, in the engine."""
    out, tally = work.folder / "allocation", Tally()
    text = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(text)

    def in_engine() -> None:
        from harness.engines.hf.network import Network

        Network.logits = fail  # type: ignore[assignment]

    def in_training() -> None:
        from transformers import Trainer

        Trainer.training_step = fail

    for name, before in (("training", in_training), ("engine", in_engine)):
        tally.add(_told(work, out, f"out of memory in the {name}", before))
    if tally.ended < tally.lives:
        tally.faults.append(f"failing allocations ended {tally.ended} of {tally.lives} lives")
    tally.faults += [f"after failed allocations: {fault}" for fault in resumed(work, out, whole)]
    return tally.tell("allocations failing in training and engine")


def _struck(
    work: Workspace, out: Path, whole: Undisturbed, name: str, before: Callable[[], None]
) -> Tally:
    """A life with a fault, then one without it in the same folder."""
    tally = _told(work, out, name, before)
    tally.faults += [f"{name}: {fault}" for fault in resumed(work, out, whole)]
    for suffix in (".answers", ".log"):
        Path(f"{out}{suffix}").unlink()
    return tally


def _told(
    work: Workspace, out: Path, name: str, before: Callable[[], None] = lambda: None
) -> Tally:
    """A life that should end with exit code 2 and one message, or with 0 where nothing struck."""
    end = live(work, out, before=before)
    if end.code == 0:
        return Tally(1)
    last = end.said.strip().splitlines()[-1:]
    well = end.code == 2 and "Traceback" not in end.said and "it goes on" in "".join(last)
    return Tally(1, 1, [] if well else [f"{name}: exit code {end.code}: {end.said[-600:]}"])


def _remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)
