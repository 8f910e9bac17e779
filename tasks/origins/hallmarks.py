"""Hallmarks of Cancer: labelled sentences of abstracts, with the authors' split of documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harness.doors.packed import open_zip

LABELS = [
    "Sustaining proliferative signaling",
    "Resisting cell death",
    "Genomic instability and mutation",
    "Activating invasion and metastasis",
    "Tumor promoting inflammation",
    "Evading growth suppressors",
    "Inducing angiogenesis",
    "Enabling replicative immortality",
    "Avoiding immune destruction",
    "Cellular energetics",
]
_BY_KEY = {label.casefold(): label for label in LABELS}
# Shorter "sentences" are section headings, longer ones are splitting errors.
_TOKENS = range(6, 121)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def convert(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """One row a sentence, labels reduced to the ten top-level hallmarks.

    The corpus has no split; the authors published one with their classifier, as
    documents without ids, so documents are matched by their text. Unmatched
    ones are left out.

    Args:
        options: "corpus", "split": paths of the two archives.
    """
    split_of = _split(files[options["split"]])
    splits: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    with open_zip(files[options["corpus"]]) as packed:
        names = {PurePosixPath(name).parts[-2:]: name for name in packed.namelist()}
        for folder, file in sorted(names):
            if folder != "text" or ("labels", file) not in names:
                continue
            text = packed.read(names[folder, file]).decode("utf-8")
            sentences = [line.strip() for line in text.split("\n") if line.strip()]
            labels = packed.read(names["labels", file]).decode("utf-8").split("<")[1:]
            split = split_of.get(_key(" ".join(sentences)))
            if split is None or len(labels) != len(sentences):
                continue
            pmid = file.removesuffix(".txt")
            for number, (sentence, named) in enumerate(zip(sentences, labels, strict=True)):
                if len(sentence.split()) in _TOKENS:
                    splits[split].append(_row(dataset, pmid, number, sentence, named))
    return splits


def _row(dataset: str, pmid: str, number: int, sentence: str, named: str) -> dict[str, Any]:
    return {
        "id": f"{dataset}-{pmid}-{number}",
        "input": _ESCAPE.sub(lambda match: chr(int(match[1], 16)), sentence),
        "target": _hallmarks(named) or ["None"],
        "labels": LABELS,
        "meta": {"pmid": pmid, "sentence": number},
    }


def _hallmarks(named: str) -> list[str]:
    """Top levels of "Hallmark--Detail ANDHallmark--Detail", each once, in the inventory's order."""
    tops = {part.split("--")[0].strip().casefold() for part in re.split(r"\bAND", named)}
    return [label for key, label in _BY_KEY.items() if key in tops]


def _split(archive: Path) -> dict[str, str]:
    """Text of a document -> "train" or "test"; the development part is used for neither."""
    found: dict[str, str] = {}
    with open_zip(archive) as packed:
        for name in packed.namelist():
            parts = PurePosixPath(name).parts
            if len(parts) < 3 or parts[-3] not in ("doc-10-class", "missing-58"):
                continue
            split = parts[-1].split(".")[0]
            if parts[-2] == "label-1" and split in ("train", "test"):
                for document in _documents(packed.read(name).decode("utf-8")):
                    found[_key(document)] = split
    return found


def _documents(text: str) -> Iterator[str]:
    yield from (line for line in text.split("\n") if line.strip())


def _key(text: str) -> str:
    """Letters and digits alone: the two sources differ in spaces and escapes."""
    return re.sub(r"[\W_]+", "", _ESCAPE.sub("", text)).casefold()
