"""Delimited text -> a table: the separator found out, each row with the line where it begins."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError, UserErrors
from tasks.own.table import KINDS, Table, few

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_delimited(path: Path, text: str) -> Table:
    """The table in a text whose first line names the columns.

    Raises:
        UserError: quotes that never close, two columns of one name, or no line.
        UserErrors: lines with more or fewer fields than the first.
    """
    told: list[str] = []
    skipped = 0
    if text[:4].lower() == "sep=" and len(text) > 5:  # Excel's own first line
        separators = [text[4]]
        _, _, text = text.partition("\n")
        skipped = 1
    else:
        separators = list(SEPARATORS)
    separator, records, letters = _best(path, text, separators)
    if letters:
        told.append("quotes that do not close are taken for letters")
    (_, names), *lines = records
    if separator != ",":
        told.append(f"columns are separated by {SEPARATORS.get(separator, repr(separator))}")
    names = [name.strip() for name in names]
    if len(names) == 1:
        raise UserError(
            f"{path}:1: one column, {names[0]!r:.60}. Expected two or more, with a question and "
            "its answer, separated by commas, semicolons, tabs or bars."
        )
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise UserError(f"{path}:1: two columns are named {twice[0]!r}. Rename one of them.")
    faults, rows, places = [], [], []
    for number, given in lines:
        line, cells = number + skipped, list(given)
        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(names):
            faults.append(
                f"{path}:{line}: {len(cells)} fields, expected {len(names)} "
                f"({', '.join(names):.80}). A text that holds the separator stands in quotes."
            )
            continue
        rows.append({name: cell for name, cell in zip(names, cells, strict=True) if name})
        places.append(f"line {line}")
    if faults:
        raise UserErrors(few(path, faults))
    return Table(tuple(name for name in names if name), tuple(rows), tuple(places), tuple(told))


Records = list[tuple[int, list[str]]]


def _best(path: Path, text: str, separators: Sequence[str]) -> tuple[str, Records, bool]:
    """The separator under which most lines have as many fields as the first, and the records.

    The last is whether quotes are taken for letters.

    Raises:
        UserError: quotes that never close, or no line at all.
    """
    found: list[tuple[float, int, tuple[str, Records, bool]]] = []
    faults: list[csv.Error] = []
    for order, separator in enumerate(separators):
        try:
            records, letters = _records(text, separator)
        except csv.Error as error:
            faults.append(error)
            continue
        if not records:
            raise UserError(f"{path}: empty. Expected {KINDS} with a row for each item.")
        width = len(records[0][1])
        fit = sum(len(cells) == width for _, cells in records) / len(records)
        found.append((fit if width > 1 else 0.0, -order, (separator, records, letters)))
    if not found:
        raise UserError(f"{path}: {faults[0]}. Close the quotes, and save the file again.")
    return max(found, key=lambda one: one[:2])[2]


def _records(text: str, separator: str) -> tuple[Records, bool]:
    """Records with the numbers of the lines where they begin; blank lines hold none.

    The second is whether quotes are taken for letters, as people type them: 5" or a "word".

    Raises:
        csv.Error: quotes that do not close, with the line.
    """
    before = csv.field_size_limit(sys.maxsize)  # fields may be of any length
    try:
        try:
            return _read_csv(text, separator, strict=True), False
        except csv.Error as error:
            plain = _read_csv(text, separator, quoting=csv.QUOTE_NONE)
            widths = {len(cells) for _, cells in plain}
            if len(widths) == 1 and widths != {1}:
                return plain, True
            raise error
    finally:
        csv.field_size_limit(before)


def _read_csv(text: str, separator: str, **how: Any) -> Records:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, **how)
    records, line = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {line}: {error}") from None
    return records
