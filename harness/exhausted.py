"""Disk and memory run out: told in one message, since the user can mend it and go on.

Libraries write files and allocate memory too, each with an exception of its own; what they
mean is read here, once, at the end of a command.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

_DISK = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENOTDIR,
}  # fmt: skip
# What the libraries that write weights and checkpoints say where they raise no OSError.
_DISK_TEXTS = (
    *(f"(os error {number})" for number in sorted(_DISK)),
    "PytorchStreamWriter failed",
    "unexpected pos",  # torch's archive of weights, cut short
    "No space left on device",
)
_MEMORY_TEXTS = (
    "out of memory", "can't allocate memory", "Cannot allocate memory", "bad_alloc",
    "can't start new thread",  # there is no room for its stack
)  # fmt: skip


def mendable(error: BaseException, out: Path | None) -> str | None:
    """The message for an error that means a full disk, a closed folder or too little memory.

    Args:
        out: the folder of results as asked for, named where the error names no file.
    Returns:
        None for any other error: a bug, which keeps its traceback.
    """
    for cause in _chain(error):
        text = str(cause).strip()
        if isinstance(cause, MemoryError) or any(sign in text for sign in _MEMORY_TEXTS):
            return _memory(text)
        if isinstance(cause, OSError) and cause.errno in _DISK:
            return _disk(cause.filename or out, cause.strerror or text)
        if not isinstance(cause, OSError) and any(sign in text for sign in _DISK_TEXTS):
            return _disk(out, text.splitlines()[0])
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, the outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _disk(place: object, reason: str) -> str:
    return (
        f"{place or 'the folder of results'}: cannot be used ({reason}). What was "
        "finished is kept: free space or set the folder's permissions right, then run the same "
        "command; it goes on. Or choose another folder with --out."
    )


def _memory(reason: str) -> str:
    first = reason.splitlines()[0][:200] if reason else "an allocation failed"
    return (
        f"out of memory ({first}). What was finished is kept: free memory, then run the same "
        'command; it goes on. Or let the model take less: quantisation = "nf4" or a smaller '
        "dtype in bench.toml; in training --set micro_batch=1 --set gradient_checkpointing=true."
    )
