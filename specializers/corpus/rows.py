"""Rows of a JSONL file, checked; what is wrong is told with file and line, all together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.doors.files import parse_json
from harness.errors import UserErrors, did_you_mean

MAY_BE_EMPTY = {"input", "title"}
# A wrong file shows in its first lines; a list of a million faults helps nobody.
MOST_FAULTS = 20


def sound_rows(
    path: Path, required: Sequence[str], faults: list[str], *, others: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row) for every sound row; the others become faults.

    Args:
        required: keys that must hold texts, not empty ones (`MAY_BE_EMPTY` apart).
        others: whether a row may have further keys.
    """
    if not path.is_file():
        faults.append(f"{path}: not found.")
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = parse_json(line)
            except ValueError as error:
                faults.append(f"{path}:{number}: not JSON ({error}).")
                continue
            found = _row_faults(row, required, others)
            faults.extend(f"{path}:{number}: {fault}" for fault in found)
            if not found:
                yield number, row


def _row_faults(row: Any, required: Sequence[str], others: bool) -> list[str]:
    if not isinstance(row, dict):
        return [f"expected an object with {', '.join(required)}; found {type(row).__name__}."]
    found = []
    for key in required:
        if key not in row:
            found.append(f"'{key}' is missing.")
        elif not isinstance(row[key], str):
            found.append(f"'{key}' must be a text, found {type(row[key]).__name__}.")
        elif not row[key].strip() and key not in MAY_BE_EMPTY:
            found.append(f"'{key}' is empty.")
    if not others:
        found += [
            f"unknown key '{key}'.{did_you_mean(key, required)}"
            for key in row.keys() - set(required)
        ]
    return found


def raise_faults(faults: Sequence[str]) -> None:
    """Raise the faults there are, the first of them only where they are many.

    Raises:
        UserErrors: there is at least one.
    """
    if faults:
        shown = list(faults[:MOST_FAULTS])
        if len(faults) > MOST_FAULTS:
            shown.append(f"... and {len(faults) - MOST_FAULTS} more.")
        raise UserErrors(shown)
