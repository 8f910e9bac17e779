"""Sets that are a plain table: a text, and a label or several yes/no judgements a line.

CSV, parquet and .xlsx, by the file's ending. The card's options say which columns
mean what, so that such a set needs no converter of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.doors.packed import read_parquet
from harness.errors import UserError
from tasks.origins.workbook import read_sheet

_Line = Mapping[str, str]


def convert(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Rows without repeats; test rows whose text is in train are left out.

    Args:
        options: "train", "test": paths; or "all": a path, and "n_test": so many lines by
            a digest of their text are the test. "text": the column with the text;
            "before": what stands before it in the prompt ("Sentence: "). Then either
            "label": a column and "labels": its value -> label; or "questions": column of
            1 and 0 -> question, each a row of its own, and "n_train": so many lines are
            kept for demonstrations.
    """
    if "all" in options:
        lines = sorted(_lines(files[options["all"]], dataset, options), key=_digest_of(options))
        splits = {"test": lines[: options["n_test"]], "train": lines[options["n_test"] :]}
    else:
        splits = {s: _lines(files[options[s]], dataset, options) for s in ("train", "test")}
        known = {line[options["text"]] for line in splits["train"]}
        splits["test"] = [line for line in splits["test"] if line[options["text"]] not in known]
    if "n_train" in options:
        splits["train"] = sorted(splits["train"], key=_digest_of(options))[: options["n_train"]]
    return {
        split: [row for line in lines for row in _rows(line, dataset, options)]
        for split, lines in splits.items()
    }


def _lines(path: Path, dataset: str, options: Mapping[str, Any]) -> list[_Line]:
    """The table's lines with a text, each text once."""
    lines = _read(path)
    wanted = [options["text"], *options.get("questions", {})]
    wanted += [options["label"]] if "label" in options else []
    found = list(lines[0]) if lines else []
    if missing := [column for column in wanted if column not in found]:
        raise UserError(f"{dataset}: columns {missing} are not in {path.name}; it has {found}.")
    unique: dict[str, _Line] = {}
    for line in lines:
        text = " ".join(line[options["text"]].split())
        if text:
            unique.setdefault(text, {**line, options["text"]: text})
    return list(unique.values())


def _read(path: Path) -> list[_Line]:
    if path.suffix == ".xlsx":
        head, *rest = read_sheet(path) or [[]]
        return [
            {name: values[place] if place < len(values) else "" for place, name in enumerate(head)}
            for values in rest
        ]
    import pandas

    if path.suffix == ".parquet":
        table = read_parquet(path).to_pandas()
    else:
        table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    return [{str(k): str(v) for k, v in r.items()} for r in table.to_dict(orient="records")]


def _digest_of(options: Mapping[str, Any]) -> Any:
    return lambda line: hashlib.sha256(line[options["text"]].encode()).hexdigest()


def _rows(line: _Line, dataset: str, options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    text = line[options["text"]]
    name = f"{dataset}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    shown = f"{options.get('before', '')}{text}"
    if "label" in options:
        value = line[options["label"]].strip().removesuffix(".0")
        if value not in options["labels"]:
            expected = list(options["labels"])
            raise UserError(f"{dataset}: label '{value}' is none of the card's {expected}.")
        labels = list(options["labels"].values())
        target = options["labels"][value]
        yield {"id": name, "input": shown, "target": target, "labels": labels, "meta": {}}
        return
    for number, (column, question) in enumerate(options["questions"].items()):
        value = line[column].strip().removesuffix(".0")
        if value not in ("0", "1"):
            raise UserError(
                f"{dataset}: '{column}' is '{value}' for '{text:.40}', expected 0 or 1."
            )
        yield {
            "id": f"{name}-{number}",
            "input": f"{shown}\nQuestion: {question}",
            "target": "yes" if value == "1" else "no",
            "labels": ["yes", "no"],
            "meta": {"document": name, "judgement": column},
        }
