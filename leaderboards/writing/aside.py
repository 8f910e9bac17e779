"""A folder is whole, or the old one: it is written aside, and then takes the other's place.

Who writes waits for whoever else does; who reads sees one or the other, also where a
writer is killed. What such a writer left is removed by the next.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_AT_FDCWD, _EXCHANGE = -100, 2  # of Linux's renameat2(2)


@contextmanager
def written_aside(folder: Path, replaced: Callable[[PurePosixPath], bool]) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` when all went well.

    Files of the old folder that were not written again are carried over, but for those
    that are `replaced`: what an earlier build wrote, by its path in the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    begin = f".{folder.name}.new-"
    with _alone(folder.parent):
        for left in folder.parent.glob(f"{begin}*"):
            shutil.rmtree(left, ignore_errors=True)
        new = folder.with_name(f"{begin}{secrets.token_hex(4)}")
        new.mkdir()
        try:
            yield new
            if folder.is_dir():
                _carry_over(folder, new, replaced)
            _exchange(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _carry_over(old: Path, new: Path, replaced: Callable[[PurePosixPath], bool]) -> None:
    for path in sorted(old.rglob("*")):
        name = PurePosixPath(path.relative_to(old).as_posix())
        target = new / name
        if path.is_dir() and not path.is_symlink():
            continue
        if os.path.lexists(target) or replaced(name):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(os.readlink(path))
        else:
            os.link(path, target)


def _exchange(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`; what stood there, if anything, is then at `new`."""
    if not os.path.lexists(folder):
        new.rename(folder)
        return
    if sys.platform == "linux":
        call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if call is not None:
            paths = (_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(folder))
            if call(*paths, _EXCHANGE) == 0:
                return
            if ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), str(folder))
    # Where two names cannot be exchanged at once, there is a moment with neither.
    old = new.with_name(f"{new.name}.old")
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Until the end, no other process is here for this folder; a killed one's lock is void."""
    try:
        import fcntl
    except ImportError:  # no POSIX: writers have to take turns by themselves
        yield
        return
    handle = os.open(parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a network disk without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
