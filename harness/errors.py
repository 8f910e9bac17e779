"""The ways a run can end badly that are not bugs.

A user's mistake becomes one message without a traceback and exit code 2; the
message names the file and key, what was found, what was expected and the next
step. A full disk and too little memory are told likewise: libraries have exceptions of their own
for them, which are read here once. Everything else propagates with its traceback (exit code 1).
"""

from __future__ import annotations

import difflib
import errno
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path


class UserError(Exception):
    """Something the user can mend; the CLI prints it and exits with code 2."""


class UserErrors(UserError):
    """Several mistakes found together, one line each."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))


class Unfinished(UserErrors):
    """Parts of a run that could not be done; all others were, and are kept.

    Attributes:
        done: what the others gave.
    """

    def __init__(self, messages: Sequence[str], done: Sequence[object]) -> None:
        super().__init__(messages)
        self.done = tuple(done)


class Unreachable(UserError):
    """A model that will answer nothing more in this run, such as one whose server is away."""


class MissingExtra(UserError):
    """A part of the distribution that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs '{package}', which is not installed. "
            f"Install it with: pip install 'selfspec-bench[{extra}]'"
        )


class MissingHere(str):
    """A fault of this machine alone, which another one may not have: something not installed."""

    __slots__ = ()


def with_arguments(text: str, argument: Callable[[str, str], str]) -> str:
    """A message whose options, which stand in it as they are typed, are called otherwise.

    Whole commands in quotes stay as they are.

    Args:
        argument: an option (`makes-of`) and the value beside it ("" for none) -> what is said.
    """

    def said(found: re.Match[str]) -> str:
        if not found["option"]:
            return found[0]
        return argument(found["option"], found["value"] or "")

    return _OPTION.sub(said, text)


# A value is a placeholder, a number, KEY=VALUE, what stands before a colon, or a known word.
_OPTION = re.compile(
    r"""'(?:bench|hf|vllm|ray)\ [^']*'
    | (?<![\w-])--(?P<option>[a-z][a-z-]+)\b
      (?:\ (?P<value>\w+=(?:""|\.\.\.(?:,\w+=\.\.\.)?|[\w.=,+-]*\w)
        | [A-Z]{2,}\b | \d[\w,]* | [^\s:]+(?=:\s)
        | (?:auto|best|bfloat16|float32|none|off|on|ray|train|training)\b))?""",
    re.VERBOSE,
)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known name, else ""."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` is an allocation that failed, on a GPU or a CPU."""
    torch = sys.modules.get("torch")
    kinds = (torch.OutOfMemoryError, MemoryError) if torch else MemoryError
    return isinstance(error, kinds) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


_DISK = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ENOTDIR,
}  # fmt: skip
# Something else lies where a file or folder is expected.
_PLACES = {errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}


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
        if isinstance(cause, OSError) and cause.errno in _PLACES and cause.filename is not None:
            return (
                f"{cause.filename}: cannot be used ({cause.strerror}); expected an ordinary file "
                "or folder. Put one there, or remove what is."
            )
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
