"""One sheet of an .xlsx file as texts: a zip of XML, which needs no further library."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from harness.doors import limits
from harness.doors.packed import open_zip
from harness.doors.text import plain
from harness.errors import UserError

_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def read_sheet(workbook: Path, name: str = "") -> list[list[str]]:
    """The rows of the named sheet, or of the first one."""
    with open_zip(workbook) as packed:
        sheets = ElementTree.fromstring(packed.read("xl/workbook.xml")).iter(f"{_SPACE}sheet")
        targets = {sheet.get("name"): sheet.get(_RELATION) for sheet in sheets}
        name = name or next(iter(targets), None) or ""
        if name not in targets:
            raise UserError(f"{workbook}: no sheet '{name}'; it has {list(targets)}.")
        relations = ElementTree.fromstring(packed.read("xl/_rels/workbook.xml.rels"))
        paths = {relation.get("Id"): relation.get("Target", "") for relation in relations}
        shared: list[str] = []
        if "xl/sharedStrings.xml" in packed.namelist():
            strings = ElementTree.fromstring(packed.read("xl/sharedStrings.xml"))
            shared = ["".join(item.itertext()) for item in strings.iter(f"{_SPACE}si")]
        path = paths[targets[name]].removeprefix("/").removeprefix("xl/")
        sheet = ElementTree.fromstring(packed.read(f"xl/{path}"))
    return [_cells(row, shared) for row in sheet.iter(f"{_SPACE}row")]


def _cells(row: ElementTree.Element, shared: list[str]) -> list[str]:
    """The values of a row by column; cells that are empty are left out of the file."""
    values: dict[int, str] = {}
    for cell in row.iter(f"{_SPACE}c"):
        column = 0
        for letter in cell.get("r", "A1").rstrip("0123456789"):
            column = column * 26 + ord(letter) - ord("A") + 1
            if not 0 < column <= limits.SHEET_COLUMNS:
                raise UserError(f"a cell named {plain(cell.get('r', '')):.40}; expected A1 to XFD.")
        text = "".join(cell.itertext()) if cell.get("t") == "inlineStr" else ""
        value = cell.find(f"{_SPACE}v")
        if value is not None and value.text:
            text = shared[int(value.text)] if cell.get("t") == "s" else value.text
        values[column - 1] = text
    return [values.get(column, "") for column in range(max(values, default=-1) + 1)]
