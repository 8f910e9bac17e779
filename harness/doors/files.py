"""A handed-over file, read whole within a bound."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.text import plain
from harness.errors import UserError


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of an ordinary file.

    A pipe would be waited for without end, a device has none.

    Raises:
        UserError: it is no ordinary file, or longer than `most`.
        OSError: it cannot be read.
    """
    # Opened without waiting: a pipe that nobody writes to opens at once.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UserError(f"{plain(path)}: is no ordinary file; expected one. Remove it.")
        data = file.read(most + 1)
    if len(data) > most:
        raise UserError(
            f"{plain(path)}: longer than {most:,} bytes, the bound of such a file "
            f"(harness/doors/limits.py). Get it anew from who gave it."
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
        raise ValueError(f"nested deeper than {deepest}") from None
    level = [value]
    for _ in range(deepest + 1):
        level = [part for held in level for part in _parts(held)]
        if not level:
            return value
    raise ValueError(f"nested deeper than {deepest}")


def _parts(held: Any) -> list[Any]:
    if isinstance(held, dict):
        return list(held.values())
    return held if isinstance(held, list) else []
