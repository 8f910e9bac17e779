"""Relations between two marked entities: DDI-2013 (XML in a zip) and ChemProt (JSON lines)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from harness.doors.files import read_jsonl
from harness.doors.packed import open_zip
from harness.errors import UserError


def convert_ddi(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """One yes/no question for each annotated pair of drugs.

    Left out, because the text alone cannot tell which pair is meant: pairs of
    one name, pairs with a discontinuous mention, repeats of the same sentence
    and names; and test pairs that are also in train.

    Args:
        options: "archive": the zip's path; "train", "test": folders inside it.
    """
    splits: dict[str, list[dict[str, Any]]] = {}
    seen: set[str] = set()
    with open_zip(files[options["archive"]]) as packed:
        for split in ("train", "test"):
            folder = str(options[split])
            names = sorted(
                name
                for name in packed.namelist()
                if name.endswith(".xml") and folder in PurePosixPath(name).parts
            )
            rows = []
            for name in names:
                for row in _pairs(ElementTree.fromstring(packed.read(name)), dataset):
                    if row["input"] not in seen:
                        seen.add(row["input"])
                        rows.append(row)
            splits[split] = rows
    return splits


def _pairs(document: ElementTree.Element, dataset: str) -> Iterator[dict[str, Any]]:
    for sentence in document.iter("sentence"):
        text = " ".join(sentence.get("text", "").split())
        entities = {entity.get("id"): entity for entity in sentence.iter("entity")}
        for pair in sentence.iter("pair"):
            two = [entities[pair.get("e1")], entities[pair.get("e2")]]
            first, second = (entity.get("text", "").strip() for entity in two)
            if first.casefold() == second.casefold():
                continue
            if any(";" in entity.get("charOffset", "") for entity in two):
                continue
            yield {
                "id": f"{dataset}-{pair.get('id')}",
                "input": f"Context: {text}\nDrug_1: {first}\nDrug_2: {second}",
                "target": "true" if pair.get("ddi") == "true" else "false",
                "labels": ["true", "false"],
                "meta": {
                    "document": document.get("id"),
                    "pair_id": pair.get("id"),
                    "ddi_type": pair.get("type", "false"),
                },
            }


_MARKS = re.compile(r"<< (.+?) >>.*?\[\[ (.+?) \]\]|\[\[ (.+?) \]\].*?<< (.+?) >>")


def convert_chemprot(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """One closed-label question for each marked pair; the marks stay in the text.

    Args:
        options: "train", "test": paths of files with {"text", "label"} a line.
    """
    raw = {split: list(read_jsonl(files[options[split]])) for split in ("train", "test")}
    labels = sorted({row["label"] for rows in raw.values() for row in rows})
    splits: dict[str, list[dict[str, Any]]] = {}
    in_train = {row["text"] for row in raw["train"]}
    for split, rows in raw.items():
        splits[split] = []
        for number, row in enumerate(rows):
            if not _MARKS.search(row["text"]):
                raise UserError(f"{dataset}: {split} line {number + 1} marks no pair.")
            if split == "test" and row["text"] in in_train:
                continue
            splits[split].append(
                {
                    "id": f"{dataset}-{split}-{number:05d}",
                    "input": f"Sentence: {row['text']}",
                    "target": row["label"],
                    "labels": labels,
                    "meta": {},
                }
            )
    return splits
