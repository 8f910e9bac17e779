"""Packed files: what they hold is bounded before it is unpacked.

A file of kilobytes can hold gigabytes, a hundred bytes of Parquet a billion rows. The
bounds are by a packed file's own size (`limits.EXPANSION`), with a part that any may
have, and for what is read at once a bound of its own.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.text import plain
from harness.errors import UserError


def most_of(path: Path) -> int:
    """Bytes that a packed file may unpack to."""
    return limits.UNPACKED_FREE + limits.EXPANSION * path.stat().st_size


@contextmanager
def open_zip(path: Path, kind: str = "zip", *, whole: bool = True) -> Iterator[zipfile.ZipFile]:
    """A zip whose files, together, are within bounds. zipfile unpacks no more than is stated.

    Args:
        kind: what it is told as where it is none.
        whole: whether files of it are read at once, so that they must fit in memory.
    Raises:
        UserError: it is no whole zip, or unpacks beyond measure.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stated = sum(member.file_size for member in archive.infolist())
            most = min(most_of(path), limits.TABLE_BYTES) if whole else most_of(path)
            if stated > most or len(archive.infolist()) > limits.MEMBERS:
                raise UserError(
                    f"{plain(path)}: unpacks to {stated:,} bytes in {len(archive.infolist()):,} "
                    f"files; expected at most {most:,} and {limits.MEMBERS:,} of so small a file. "
                    f"Unpack it yourself if you trust it."
                )
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise UserError(
            f"{plain(path)}: no whole {kind} ({plain(error):.200}). Fetch or save it again."
        ) from error


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> Any:
    """A pyarrow table, decoded batch by batch so that it stays within bounds.

    Raises:
        UserError: it is no whole Parquet file, or decodes to more than is read at once.
    """
    import pyarrow
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            wanted = list(columns) if columns is not None else None
            batches, size, cells = [], 0, 0
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                size += batch.nbytes
                cells += batch.num_rows * max(batch.num_columns, 1)
                if size > limits.TABLE_BYTES or cells > limits.CELLS:
                    raise UserError(
                        f"{plain(path)}: more than {limits.TABLE_BYTES:,} bytes or "
                        f"{limits.CELLS:,} cells; expected a table that fits in memory. Write "
                        f"the rows you mean into a file of their own."
                    )
                batches.append(batch)
            schema = batches[0].schema if batches else file.schema_arrow
            return pyarrow.Table.from_batches(batches, schema)
    except (ArrowException, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{plain(path)}: no whole Parquet file ({plain(error):.120}). Write it anew."
        ) from error
