"""What patients say of drugs: Medical Drugs (CSV) and PsyTAR (a spreadsheet), its stand-in."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from harness.errors import UserError

LABELS = ["Positive", "Negative", "Neutral"]
# Neither set has a published labelled test split: so many reviews are the test, by digest.
_TEST = 500


def convert_medical_drugs(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """The hackathon's labelled file: columns `unique_hash`, `text`, `drug`, `sentiment` (0, 1, 2).

    Args:
        options: "reviews": the path.
    """
    meanings = dict(zip("012", LABELS, strict=True))
    with files[options["reviews"]].open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        _need(table.fieldnames or [], ("unique_hash", "text", "drug", "sentiment"), dataset)
        rows = [
            _row(dataset, line["unique_hash"], line["text"], line["drug"], meaning, {})
            for line in table
            if (meaning := meanings.get(line["sentiment"].strip())) and line["text"].strip()
        ]
    return _in_two(rows)


def convert_psytar(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Reviews with the patient's own rating: 1-2 Negative, 3 Neutral, 4-5 Positive.

    Args:
        options: "workbook": the path; "sheet": the sheet's name.
    """
    table = _sheet(files[options["workbook"]], options["sheet"])
    _need(table[0] if table else [], ("drug_id", "rating", "comment"), dataset)
    rows = []
    for values in table[1:]:
        line = dict(zip(table[0], values, strict=False))
        rating, comment = line.get("rating", ""), line.get("comment", "").strip()
        meaning = {"1": "Negative", "2": "Negative", "3": "Neutral"}.get(rating[:1])
        meaning = "Positive" if rating[:1] in ("4", "5") else meaning
        name = line["drug_id"].strip()
        if meaning and comment and name:
            drug = name.split(".")[0]
            rows.append(_row(dataset, name, comment, drug, meaning, {"rating": int(rating[:1])}))
    return _in_two(rows)


def _row(
    dataset: str, name: str, text: str, drug: str, sentiment: str, meta: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": f"{dataset}-{name}",
        "input": f"Sentence: {' '.join(text.split())}\nDrug: {drug.strip()}",
        "target": sentiment,
        "labels": LABELS,
        "meta": {"drug": drug.strip(), **meta},
    }


def _in_two(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    unique = {row["input"]: row for row in rows}
    ranked = sorted(unique.values(), key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())
    return {"test": ranked[:_TEST], "train": ranked[_TEST:]}


def _need(found: Any, columns: tuple[str, ...], dataset: str) -> None:
    if missing := [column for column in columns if column not in found]:
        raise UserError(f"{dataset}: columns {missing} are not in the file; it has {list(found)}.")


_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def _sheet(workbook: Path, name: str) -> list[list[str]]:
    """Read one sheet of an .xlsx file as texts: a zip of XML, which needs no further library."""
    with zipfile.ZipFile(workbook) as packed:
        sheets = ElementTree.fromstring(packed.read("xl/workbook.xml")).iter(f"{_SPACE}sheet")
        targets = {sheet.get("name"): sheet.get(_RELATION) for sheet in sheets}
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
        text = "".join(cell.itertext()) if cell.get("t") == "inlineStr" else ""
        value = cell.find(f"{_SPACE}v")
        if value is not None and value.text:
            text = shared[int(value.text)] if cell.get("t") == "s" else value.text
        values[column - 1] = text
    return [values.get(column, "") for column in range(max(values, default=-1) + 1)]
