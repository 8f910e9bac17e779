"""Files by what is in them: a digest of the bytes, never of a name, a size or a time alone.

Reading a large model on each run would cost minutes, so a digest is remembered with the
inode, the size and both times of the file. Of these, ctime cannot be set by a program: it is
the moment of the last change as the system saw it, so `rsync -t`, an archive with fixed dates
and a switched link are all seen. A file that changed within `SETTLED` seconds of being read
may change again within one tick of the clock; its digest is given, and not remembered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from harness.doors.files import parse_json
from harness.files import digest, sha256_file, write_json
from harness.progress import NullProgress
from harness.types import Progress

# Coarser than the clock of any file system in use (FAT: 2 s).
SETTLED = 2.0
_State = tuple[int, int, int, int]


def file_digests(
    folder: Path, names: Sequence[str], cache: Path, progress: Progress | None = None
) -> dict[str, str]:
    """SHA-256 of files of one folder, by name.

    Args:
        names: relative to `folder`; links are followed.
        cache: the machine's cache folder, where digests are remembered.
    Raises:
        OSError: a file is not there or cannot be read.
    """
    progress = progress or NullProgress()
    memory = cache / "digests" / f"{digest(str(folder.absolute()))}.json"
    known = _remembered(memory)
    states = {name: _state(folder / name) for name in names}
    fresh = [name for name in names if known.get(name, [])[:-1] != list(states[name])]
    found = {name: str(known[name][-1]) for name in names if name not in fresh}
    if fresh:
        progress.start("checksum", sum(states[name][1] for name in fresh), "B")
        for name in fresh:
            found[name], settled = _read(folder / name)
            known.pop(name, None)
            if settled is not None:
                known[name] = [*settled, found[name]]
            progress.advance(states[name][1])
        progress.finish()
        write_json(memory, known)
    return found


def folder_digest(folder: Path) -> str:
    """Of every file of a folder and those below it, by name; for folders too small to remember.

    Hidden files and what an editor or Python leaves beside are no content.
    """
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and not any(
            part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts
        )
    )
    return digest({name: sha256_file(folder / name) for name in names})


def _read(path: Path) -> tuple[str, _State | None]:
    """The file's digest, and its state if that proves the digest the next time."""
    for _ in range(3):
        began, before = time.time_ns(), _state(path)
        value = sha256_file(path)
        if _state(path) == before:
            settled = before[3] < began - int(SETTLED * 1e9)
            return value, before if settled else None
    return value, None  # written while it was read; the next look reads it again


def _state(path: Path) -> _State:
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _remembered(memory: Path) -> dict[str, list[int | str]]:
    """What is remembered; a damaged memory, or one of sizes and mtimes alone, is none."""
    try:
        values = parse_json(memory.read_bytes())
        return {name: list(entry) for name, entry in values.items() if len(entry) == 5}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
