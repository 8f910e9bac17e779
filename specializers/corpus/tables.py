"""Files of rows -> rows: JSON lines, JSON, CSV, TSV, Parquet; each plain or packed."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json
from harness.errors import UserError
from harness.types import Json
from specializers.corpus.cut import Bad
from specializers.corpus.unpack import UTF_16, Advance, kind_of, lines, open_input, read_whole

_NOT_UTF_8 = "not UTF-8. Save the file as UTF-8."
Rows = Iterator[tuple[int, Json] | Bad]


def read_rows(path: Path, advance: Advance) -> Rows:
    """(line or row number from 1, row) of a table, in order; a row that is none is `Bad`.

    Raises:
        UserError: the file as a whole is not what its name says.
    """
    return _READERS[kind_of(path)](path, advance)


def decoded(line: bytes) -> str:
    """UTF-8, also as CESU-8 writes what is beyond the basic plane.

    Raises:
        UnicodeDecodeError: neither.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("utf-8", "surrogatepass")


def _jsonl(path: Path, advance: Advance) -> Rows:
    for number, line in lines(path, advance):
        if not line.strip():
            continue
        try:
            row = parse_json(decoded(line))
        except UnicodeDecodeError:
            yield Bad(f"{path}:{number}", _NOT_UTF_8)
            continue
        except ValueError as error:
            yield Bad(f"{path}:{number}", f"not JSON ({error}).")
            continue
        yield (number, row) if isinstance(row, dict) else _no_object(f"{path}:{number}", row)


def _json(path: Path, advance: Advance) -> Rows:
    """A list of objects; an object of them by id; or one with a single list of objects inside."""
    content = read_whole(path, advance).removeprefix(b"\xef\xbb\xbf")
    try:
        value = parse_json(decoded(content))
    except UnicodeDecodeError:
        raise UserError(f"{path}: {_NOT_UTF_8}") from None
    except ValueError as error:
        raise UserError(
            f"{path}: not JSON ({error}). JSON lines are expected under the name .jsonl."
        ) from None
    if isinstance(value, dict):
        if inside := _list_inside(value):
            value = inside
        elif value and all(isinstance(part, dict) for part in value.values()):
            value = [{"id": name, **part} for name, part in value.items()]
        else:
            value = [value] if value else []
    if not isinstance(value, list):
        raise UserError(f"{path}: expected a list of objects, found {type(value).__name__}.")
    for number, row in enumerate(value, 1):
        yield (number, row) if isinstance(row, dict) else _no_object(f"{path}:{number}", row)


def _list_inside(value: Json) -> list[Any] | None:
    """The single list of objects in an object, or in the only object that is in it and no text."""
    lists = [part for part in value.values() if isinstance(part, list)]
    if len(lists) == 1 and lists[0] and isinstance(lists[0][0], dict):
        return lists[0]
    only = next(iter(value.values()), None)
    if len(value) != 1 or not isinstance(only, dict) or any(map(_is_text, only.values())):
        return None
    return _list_inside(only)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _no_object(place: str, row: Any) -> Bad:
    return Bad(place, f"expected an object, found {type(row).__name__}.")


def _csv(path: Path, advance: Advance) -> Rows:
    csv.field_size_limit(min(sys.maxsize, 1 << 28))
    with open_input(path, advance) as file:
        head = file.peek(4)[:4]  # type: ignore[attr-defined]
        encoding = "utf-16" if head[:2] in UTF_16 else "utf-8-sig"
        text = io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="")
        tab = kind_of(path) in (".tsv", ".tab")
        row = _Row(text, path)
        start = next(row, "")
        separator = "\t" if tab or start.count("\t") > start.count(",") else ","
        if not tab and start.count(";") > max(start.count(separator), 0):
            separator = ";"
        columns = [name.strip() for name in next(csv.reader([start], delimiter=separator), [])]
        for name in columns:
            if name and columns.count(name) > 1:
                raise UserError(f"{path}:1: two columns '{name}'. Name one of them otherwise.")
        reader = csv.reader(row, delimiter=separator, strict=False)
        try:
            began = row.begin()
            for cells in reader:
                began, first = row.begin(), began
                number = reader.line_num + 1
                if not any(cells):
                    continue
                if row.ended:
                    yield Bad(f"{path}:{first}", "a quote is opened here and never closed.")
                elif any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
                    yield Bad(f"{path}:{number}", _NOT_UTF_8)
                elif len(cells) != len(columns):
                    found = f"{len(cells)} cells, expected {len(columns)} as in the first line."
                    yield Bad(f"{path}:{number}", found)
                else:
                    yield number, dict(zip(columns, cells, strict=True))
        except csv.Error as error:
            raise UserError(f"{path}:{reader.line_num + 1}: not CSV ({error}).") from None


class _Row:
    """The lines of one row at a time, no more of them than `limits.LINE_BYTES` letters.

    Attributes:
        ended: there are no more; a row that is read on beyond it has an open quote.
    """

    def __init__(self, text: io.TextIOWrapper, path: Path) -> None:
        self._text = text
        self._path = path
        self._number = 0
        self.ended = False
        self.begin()

    def begin(self) -> int:
        """The next line, which is the one of the returned number, is of another row."""
        self._left = limits.LINE_BYTES
        return self._number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        self._number += 1
        self._left -= len(line)
        if self._left < 0:
            raise UserError(
                f"{self._path}:{self._number}: a row of more than {limits.LINE_BYTES >> 20} MiB; "
                "expected a document a row."
            )
        if not line:
            self.ended = True
            raise StopIteration
        return line


def _parquet(path: Path, advance: Advance) -> Rows:
    import pyarrow
    import pyarrow.parquet

    try:
        source = path if path.suffix.lower() == ".parquet" else io.BytesIO(read_whole(path))
        file = pyarrow.parquet.ParquetFile(source)
        number = 0
        for batch in file.iter_batches(batch_size=100):
            for row in batch.to_pylist():
                number += 1
                yield number, row
            advance(path.stat().st_size * len(batch) // max(1, file.metadata.num_rows))
    except (pyarrow.ArrowException, OSError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"{path}: not a whole Parquet file ({said}).") from None


_READERS = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".tab": _csv,
    ".parquet": _parquet,
}
TABLES = tuple(_READERS)
