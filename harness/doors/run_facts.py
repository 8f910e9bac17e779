"""A record's run.json: what its runs took, under a seal that names the record.

It differs between two equal runs and the record does not, so it is a file of its own.
Files of earlier versions have no seal and are read as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes
from harness.doors.record import run_faults
from harness.doors.seals import SEAL, sealed, unsealed
from harness.doors.text import plain
from harness.errors import UserError
from harness.files import write_json
from harness.types import Json

NAME = "run.json"
_RECORD = "record"


def write_run_facts(folder: Path, facts: Mapping[str, Any], record: str) -> None:
    """Write the facts of a record.

    Args:
        record: the record's own seal, in its record.json.
    """
    write_json(folder / NAME, sealed({**facts, _RECORD: record}))


def is_sealed(folder: Path) -> bool:
    """Whether the facts of a record that was read are proved to be its own; true where none are."""
    path = folder / NAME
    return not path.is_file() or SEAL in parse_json(read_bytes(path, limits.RUN_BYTES))


def read_run_facts(folder: Path, record: str, *, required: bool = False) -> Json:
    """The facts, if they are whole and of this record; {} where there are none.

    Args:
        record: the record's own seal.
        required: facts without a seal are refused: the record is of a version that seals them.
    Raises:
        UserError: the file cannot be read, was changed, or is another record's.
    """
    path = folder / NAME
    end = "Delete the file; nothing is scored by it."
    try:
        facts = parse_json(read_bytes(path, limits.RUN_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(
            f"{plain(path)}: not a run's facts ({type(error).__name__}: {plain(error):.200}). {end}"
        ) from error
    if faults := run_faults(facts):
        raise UserError(f"{plain(path)}: {'; '.join(map(plain, faults))}. {end}")
    found, changed = unsealed(facts)
    of = found.pop(_RECORD, "")
    if changed or (changed is None and required):
        told = ", ".join(map(plain, changed or ["its seal is gone"]))
        raise UserError(f"{plain(path)}: changed since the record was written: {told:.300}. {end}")
    if changed is not None and of != record:
        raise UserError(f"{plain(path)}: belongs to another record. {end}")
    return found
