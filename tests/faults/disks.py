"""Full disks, closed folders and failed allocations: one message, exit code 2, and on it goes."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.job import Workspace, live
from tests.faults.kills import Undisturbed, on_file_operations, resumed

ERRORS = (errno.ENOSPC, errno.EACCES, errno.EROFS)


def full_at_writes(work: Workspace, whole: Undisturbed, trials: int, seed: int) -> list[str]:
    """From one file operation in the results' folder on each fails; all operations, or a sample."""
    out, faults = work.folder / "full", list[str]()
    sites = sorted(random.Random(seed).sample(range(1, whole.events + 1), trials))
    for index, site in enumerate(sites):
        code = ERRORS[index % len(ERRORS)]

        def at(number: int, path: str, site: int = site, code: int = code) -> None:
            if number >= site:
                raise OSError(code, os.strerror(code), path)

        name = f"{errno.errorcode[code]} from file operation {site} of {whole.events}"
        faults += _struck(work, out, whole, name, on_file_operations(out, at))
        shutil.rmtree(out)
    print(f"disk full or closed from {len(sites)} of {whole.events} writes on: {_sum(faults)}")
    return faults


def large_files(work: Workspace, whole: Undisturbed, sizes: Sequence[int]) -> list[str]:
    """No file may grow over a size: strikes the libraries' writers of weights and checkpoints."""
    out, faults = work.folder / "large", []
    for size in sizes:

        def limit(size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        faults += _struck(work, out, whole, f"files of at most {size} bytes", limit)
        shutil.rmtree(out)
    print(f"files limited to {len(sizes)} sizes: {_sum(faults)}")
    return faults


def small_disks(work: Workspace, whole: Undisturbed, sizes: Sequence[int]) -> list[str]:
    """Real disks of so many KiB that fill up, are read-only, then are enlarged."""
    out, faults = work.folder / "disk", []
    out.mkdir()
    for size in sizes:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(out)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            print("small disks: left out, mount is not allowed here")
            return []
        try:
            name = f"disk of {size} KiB"
            faults += _told(work, out, name)
            _remount(out, "ro")
            faults += _told(work, out, f"{name}, read-only")
            _remount(out, "rw,size=64m")
            faults += [f"{name}: {fault}" for fault in resumed(work, out, whole)]
        finally:
            subprocess.run(["umount", "-l", str(out)], check=True)
        Path(f"{out}.calls").unlink()
    print(f"{len(sizes)} small disks, each read-only too: {_sum(faults)}")
    return faults


def little_memory(work: Workspace, whole: Undisturbed, sizes: Sequence[int]) -> list[str]:
    """A life may take only so many MiB more than its warm parent has."""
    out, faults = work.folder / "memory", []
    for size in sizes:

        def limit(size: int = size) -> None:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + size * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

        faults += _struck(work, out, whole, f"{size} MiB of memory", limit)
        shutil.rmtree(out, ignore_errors=True)
    print(f"memory limited to {len(sizes)} sizes: {_sum(faults)}")
    return faults


def failed_allocations(work: Workspace, whole: Undisturbed) -> list[str]:
    """An allocation fails in the engine, then in training."""
    out, faults = work.folder / "allocation", []
    text = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(text)

    def in_engine() -> None:
        from harness.engines.network import Network

        Network.logits = fail  # type: ignore[assignment]

    def in_training() -> None:
        from transformers import Trainer

        Trainer.training_step = fail

    for name, before in (("engine", in_engine), ("training", in_training)):
        faults += _told(work, out, f"out of memory in the {name}", before)
    faults += [f"after failed allocations: {fault}" for fault in resumed(work, out, whole)]
    print(f"allocations failing in engine and training: {_sum(faults)}")
    return faults


def _struck(
    work: Workspace, out: Path, whole: Undisturbed, name: str, before: Callable[[], None]
) -> list[str]:
    """A life with a fault, then one without it in the same folder."""
    faults = _told(work, out, name, before)
    faults += [f"{name}: {fault}" for fault in resumed(work, out, whole)]
    Path(f"{out}.calls").unlink()
    return faults


def _told(
    work: Workspace, out: Path, name: str, before: Callable[[], None] = lambda: None
) -> list[str]:
    """A life that should end with exit code 2 and one message, or with 0 where nothing struck."""
    end = live(work, out, before=before)
    if end.code == 0:
        return []
    last = end.said.strip().splitlines()[-1:]
    well = end.code == 2 and "Traceback" not in end.said and "it goes on" in "".join(last)
    return [] if well else [f"{name}: exit code {end.code}: {end.said[-600:]}"]


def _remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def _sum(faults: Sequence[str]) -> str:
    return f"{len(faults)} faults"
