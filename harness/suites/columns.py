"""What kinds of columns a table of Arrow or Parquet says it has, for `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.doors.files import parse_json


def column_kinds(file: Path) -> tuple[str, ...]:
    """The `_type` of each feature in the schema's metadata, nested ones too; () where the file has
    none or is no such table.

    Raises:
        OSError: it cannot be read.
        ValueError: what stands there is no JSON.
    """
    metadata = _schema(file).metadata or {}
    said = metadata.get(b"huggingface")
    return tuple(_kinds(parse_json(said.decode("utf-8", "replace")))) if said else ()


def _schema(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(file)
    except pa.ArrowInvalid:
        pass
    for opened in (pa.ipc.open_file, pa.ipc.open_stream):
        try:
            return opened(pa.memory_map(str(file))).schema
        except pa.ArrowInvalid:
            continue
    return pa.schema([])


def _kinds(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("_type"), str):
            yield value["_type"]
        for part in value.values():
            yield from _kinds(part)
    elif isinstance(value, list):
        for part in value:
            yield from _kinds(part)
