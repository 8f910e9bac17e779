"""What patients say of drugs: Medical Drugs (CSV) and PsyTAR (a spreadsheet), its stand-in."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from tasks.origins.workbook import read_sheet

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
    table = read_sheet(files[options["workbook"]], options["sheet"])
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
