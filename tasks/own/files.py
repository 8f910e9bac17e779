"""A file of rows as people have them -> a table: delimited text, JSON, Parquet or Excel.

Nothing is guessed in silence: what was taken for the separator, the encoding or the
sheet is told with the table, and each row keeps where it stands in the file.
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json
from harness.doors.packed import open_zip, read_parquet
from harness.doors.timed import room
from harness.errors import UserError, UserErrors
from tasks.own.delimited import read_delimited
from tasks.own.encoding import decoded
from tasks.own.table import KINDS, Table, few


def read_table(path: Path, *, encoding: str = "", sheet: str = "") -> Table:
    """Read a file of rows, whatever of `KINDS` it is.

    Args:
        encoding: of a text; "" finds it out.
        sheet: of a workbook; "" takes the first that holds rows.
    Raises:
        UserError: it cannot be read, or holds no rows. UserErrors: faulty lines.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). Name a file of rows."
        ) from None
    if content.startswith((b"PAR1", b"PK")):
        # A cell in a list of cells takes many times what it takes packed.
        with room(limits.READING, f"{path}: its rows"):
            packs = content.startswith(b"PAR1")
            table = _parquet(path) if packs else _workbook(path, sheet)
    elif content.startswith(b"\xd0\xcf\x11\xe0"):
        raise UserError(f"{path}: a workbook of the old kind. Save it as .xlsx or .csv.")
    elif content.startswith(b"\x1f\x8b"):
        raise UserError(f"{path}: compressed. Unpack it first: gunzip {path}.")
    else:
        text, told = decoded(path, content, encoding)
        looks_json = text.lstrip()[:1] in ("{", "[") and path.suffix not in (".csv", ".tsv")
        table = _json(path, text) if looks_json else read_delimited(path, text)
        table = Table(table.columns, table.rows, table.places, (*told, *table.told))
    if not table.rows:
        raise UserError(f"{path}: holds no rows. Expected {KINDS} with a row for each item.")
    return table


# -- JSON ------------------------------------------------------------------------


def _json(path: Path, text: str) -> Table:
    """An array, an object around one, an object of columns, or an object a line."""
    try:
        whole = parse_json(text)
    except ValueError as error:
        return _json_lines(path, text, error)
    if isinstance(whole, dict):
        lists = {key: value for key, value in whole.items() if isinstance(value, list)}
        sizes = {len(value) for value in lists.values()}
        if lists and len(lists) == len(whole) > 1 and len(sizes) == 1:  # columns
            whole = [
                dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)
            ]
        else:
            tables = [rows for rows in lists.values() if rows and isinstance(rows[0], dict)]
            whole = tables[0] if len(tables) == 1 else [whole]
    return _objects(path, [(f"row {n}", row) for n, row in enumerate(whole, 1)])


def _json_lines(path: Path, text: str, whole: ValueError) -> Table:
    rows: list[tuple[str, Any]] = []
    faults: list[str] = []
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in lines:
        try:
            rows.append((f"line {number}", parse_json(line)))
        except ValueError as error:
            faults.append(f"{path}:{number}: no JSON ({error}). Expected an object a line.")
    at, column = getattr(whole, "lineno", 1), getattr(whole, "colno", 1)
    told = getattr(whole, "msg", str(whole))
    if faults and len(faults) > len(lines) // 2:  # one value over several lines
        raise UserError(f"{path}:{at}: no JSON ({told}, column {column}).")
    if faults:
        raise UserErrors(few(path, faults))
    return _objects(path, rows)


def _objects(path: Path, found: Sequence[tuple[str, Any]]) -> Table:
    if wrong := [place for place, row in found if not isinstance(row, dict)]:
        raise UserError(
            f"{path}: {wrong[0]} is no JSON object. Expected one for each item, such as "
            '{"input": "...", "target": "..."}.'
        )
    # The hub's viewer wraps each row: {"row_idx": 0, "row": {...}}.
    rows = [row["row"] if isinstance(row.get("row"), dict) else row for _, row in found]
    columns = dict.fromkeys(key for row in rows for key in row)
    return Table(tuple(columns), tuple(rows), tuple(place for place, _ in found))


# -- Parquet and Excel -------------------------------------------------------------


def _parquet(path: Path) -> Table:
    table = read_parquet(path)
    rows = [{key: _plain(value) for key, value in row.items()} for row in table.to_pylist()]
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    return Table(tuple(names), tuple(rows), tuple(f"row {n}" for n in range(1, len(rows) + 1)))


def _workbook(path: Path, sheet: str) -> Table:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with open_zip(path, "workbook"):  # judged; openpyxl opens it anew
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheets: dict[str, list[tuple[int, Sequence[Any]]]] = {}
        for one in book:
            one.reset_dimensions()  # a stated size would be filled up with empty cells
            sheets[one.title] = list(_lines(path, one.iter_rows(values_only=True)))
        book.close()
    # What openpyxl meets where the XML is torn or means something else.
    except (
        LookupError, TypeError, ValueError, OSError, SyntaxError, AttributeError,
        InvalidFileException,
    ) as error:  # fmt: skip
        raise UserError(f"{path}: no whole workbook ({error!s:.120}). Save it again.") from None
    filled = [title for title, lines in sheets.items() if len(lines) > 1]
    title = sheet or next(iter(filled), "")
    if title not in sheets:
        raise UserError(
            f"{path}: no sheet {sheet!r}. It has: {', '.join(sheets)}."
            if sheet
            else f"{path}: no sheet holds a line of names and rows below it. Add them."
        )
    if not sheets[title]:
        raise UserError(f"{path}: sheet {title!r} is empty. Add a line of names and rows below it.")
    told = (f"sheet {title!r} (--sheet takes another of: {', '.join(filled)})",)
    (_, names), *lines = sheets[title]
    columns = [str(name).strip() if name is not None else "" for name in names]
    rows = [
        {
            name: "" if value is None else _plain(value)
            for name, value in zip(columns, cells, strict=False)
            if name
        }
        for _, cells in lines
    ]
    return Table(
        tuple(name for name in columns if name),
        tuple(rows),
        tuple(f"row {number}" for number, _ in lines),
        told if len(filled) > 1 else (),
    )


def _lines(path: Path, rows: Iterator[Sequence[Any]]) -> Iterator[tuple[int, Sequence[Any]]]:
    held = 0
    for number, cells in enumerate(rows, 1):
        held += len(cells)
        if number > limits.SHEET_ROWS or held > limits.CELLS:
            raise UserError(
                f"{path}: more than {limits.SHEET_ROWS:,} rows or {limits.CELLS:,} cells in a "
                f"sheet; expected fewer. Save the rows you mean as .csv."
            )
        if any(value is not None and str(value).strip() for value in cells):
            yield number, cells


_PLAIN: Mapping[type, Callable[[Any], Any]] = {
    datetime.datetime: lambda v: v.isoformat(sep=" "),
    datetime.date: lambda v: v.isoformat(),
    datetime.time: lambda v: v.isoformat(),
    decimal.Decimal: lambda v: int(v) if v == v.to_integral_value() else float(v),
    bytes: lambda v: v.decode("utf-8", "replace"),
    # Excel knows no whole numbers.
    float: lambda v: int(v) if math.isfinite(v) and v.is_integer() else v,
}


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if value is None or isinstance(value, str | bool | int):
        return value
    kind = next((kind for kind in _PLAIN if isinstance(value, kind)), None)
    return _PLAIN[kind](value) if kind else str(value)
