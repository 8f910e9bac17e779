"""A handed-over file, read and parsed within bounds: JSON, JSON lines, TOML.

No other place of the source parses these formats, whoever wrote the file: a folder
that this program made may come back from somebody else (tests/doors/test_calls.py).
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.doors import limits
from harness.doors.text import plain
from harness.errors import UserError

_ANEW = "Get it anew from who gave it."


def open_plain(path: Path) -> BinaryIO:
    """An ordinary file, open for reading.

    A pipe would be waited for without end, a device has none.

    Raises:
        UserError: it is no ordinary file.
        OSError: it cannot be read.
    """
    # Opened without waiting: a pipe that nobody writes to opens at once.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{plain(path)}: is no ordinary file; expected one. Remove it.")
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of an ordinary file.

    Raises:
        UserError: it is no ordinary file, or longer than `most`.
        OSError: it cannot be read.
    """
    with open_plain(path) as file:
        # Room is made for what is asked, so no more is asked than is there.
        data = file.read(min(os.fstat(file.fileno()).st_size, most) + 1)
    if len(data) > most:
        raise UserError(
            f"{plain(path)}: longer than {most:,} bytes, the bound of such a file "
            f"(harness/doors/limits.py). {_ANEW}"
        )
    return data


def parse_json(text: str | bytes, *, deepest: int = limits.DEPTH) -> Any:
    """JSON whose tables and lists are nested at most `deepest` times.

    Raises:
        ValueError: it is none, deeper, or holds a number of thousands of digits.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(deepest) from None
    opened = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if sum(map(text.count, opened)) > deepest:  # type: ignore[arg-type]
        _check_depth(value, deepest)
    return value


def _check_depth(value: Any, deepest: int) -> None:
    level = [value]
    for _ in range(deepest):
        level = [part for held in level for part in _parts(held)]
        if not level:
            return
    raise _too_deep(deepest)


def _parts(held: Any) -> list[Any]:
    inner = held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
    return [part for part in inner if isinstance(part, dict | list)]


def _too_deep(deepest: int) -> ValueError:
    return ValueError(f"nested deeper than {deepest}")


def read_json(path: Path, most: int = limits.CONFIG_BYTES, *, mend: str = _ANEW) -> Any:
    """The value of a JSON file.

    Args:
        mend: the next step, for the message.
    Raises:
        UserError: it cannot be read, is no JSON, too long or too deep.
    """
    try:
        return parse_json(read_bytes(path, most))
    except (OSError, ValueError) as error:
        raise UserError(f"{plain(path)}: not JSON ({plain(error):.200}). {mend}") from error


def read_object(
    path: Path, most: int = limits.CONFIG_BYTES, *, mend: str = _ANEW
) -> dict[str, Any]:
    """As `read_json`, and an object."""
    value = read_json(path, most, mend=mend)
    if not isinstance(value, dict):
        raise UserError(f"{plain(path)}: found {type(value).__name__}; expected an object. {mend}")
    return value


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield one object a line; blank lines and a byte order mark are skipped.

    Raises:
        ValueError: a line is no JSON object, or too long or too deep; the message names
            file and line.
    """
    with open_plain(path) as file:
        number = 0
        while line := file.readline(limits.LINE_BYTES + 1):
            number += 1
            if len(line) > limits.LINE_BYTES:
                raise ValueError(f"{path}:{number}: longer than {limits.LINE_BYTES:,} bytes")
            if not line.strip():
                continue
            try:
                row = parse_json(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except ValueError as error:
                told = getattr(error, "msg", error)
                raise ValueError(f"{path}:{number}: not JSON ({told})") from error
            if not isinstance(row, dict):
                raise ValueError(f"{path}:{number}: expected an object, found {type(row).__name__}")
            yield row


def are_rows(path: Path) -> bool:
    """Whether a file is JSON lines of objects, or one JSON text of them, within bounds.

    For files that another library parses: it may end the process over others. One that cannot be
    read is none.
    """
    try:
        for _ in read_jsonl(path):
            pass
    except OSError:
        return False
    except (UserError, ValueError):
        try:
            rows = parse_json(read_bytes(path, limits.TABLE_BYTES))
        except (OSError, UserError, ValueError):
            return False
        return isinstance(rows, dict) or (
            isinstance(rows, list) and all(isinstance(row, dict | str) for row in rows)
        )
    return True


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        ValueError: it is none, or nested deeper than `limits.DEPTH`.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise _too_deep(limits.DEPTH) from None
    _check_depth(tables, limits.DEPTH)
    return tables


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UserError: it cannot be read, is no TOML, too long or too deep; names file and line.
    """
    try:
        return parse_toml(read_bytes(path, limits.TOML_BYTES).decode("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{plain(path)}: no such file. Write one, or name another.") from None
    except OSError as error:
        raise UserError(
            f"{plain(path)}: cannot be read ({error.strerror}). Name a .toml file."
        ) from error
    except ValueError as error:
        raise UserError(
            f"{plain(path)}: not TOML: {plain(error):.300}. Correct the file at that place."
        ) from error
