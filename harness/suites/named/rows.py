"""Rows of multiple choice that cannot be what was meant, told with their file and line."""

from __future__ import annotations

import csv
import glob
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.doors.files import parse_json
from harness.doors.text import plain
from harness.suites.items import choice_named

_MOST = 5  # rows told of a task


def choice_faults(task: Any) -> list[str]:
    """Labels that are none of the choices; in a suite's own files, rows with other numbers of
    choices than most have.

    lm-eval counts the first as wrong and lets the second pass; data sets of the hub may have
    questions with fewer choices.
    """
    if task.OUTPUT_TYPE != "multiple_choice" or getattr(task, "multiple_input", 0):
        return []
    docs = list(task.eval_docs)
    lines = list(_lines(task.config))
    places = lines if len(lines) == len(docs) else [f"item {n}" for n in range(len(docs))]
    counts = []
    found = []
    for place, doc in zip(places, docs, strict=True):
        try:
            choices, gold = task.doc_to_choice(doc), task.doc_to_target(doc)
        except Exception:  # told where the scoring is tried
            return []
        counts.append(len(choices))
        for one in gold if isinstance(gold, list) else [gold]:
            if not choice_named(choices, one):
                found.append(
                    f"{place}: found the label {plain(repr(one)):.60}, the row has {len(choices)} "
                    "choices, counted from 0; it would count as wrong. Correct doc_to_target or "
                    "the row."
                )
    if lines and counts:
        usual = Counter(counts).most_common(1)[0][0]
        found += [
            f"{place}: found {count} choices, most rows have {usual}; expected as many in every "
            "row. Correct the row, or doc_to_choice."
            for place, count in zip(places, counts, strict=True)
            if count != usual
        ]
    more = [f"... and {len(found) - _MOST} rows more."] if len(found) > _MOST else []
    return found[:_MOST] + more


def _lines(config: Any) -> Iterator[str]:
    """File and line of every row that is tested, where the task reads them off its own files."""
    kwargs = config.dataset_kwargs
    split = config.test_split or config.validation_split
    if config.dataset_path not in ("json", "csv") or not isinstance(kwargs, Mapping):
        return
    if config.process_docs is not None:
        return  # it may drop rows
    named = kwargs.get("data_files")
    named = named.get(split) if isinstance(named, Mapping) else named
    folder = Path(str(kwargs.get("data_dir") or "."))
    for pattern in [named] if isinstance(named, str) else named or ():
        for path in sorted(glob.glob(str(folder / str(pattern)), recursive=True)):
            for line in _rows_of(Path(path), csv_file=config.dataset_path == "csv"):
                yield f"{plain(path)}:{line}"


def _rows_of(path: Path, *, csv_file: bool) -> Sequence[int]:
    with path.open(encoding="utf-8", newline="") as file:
        if csv_file:
            reader = csv.reader(file)
            next(reader, None)
            return [reader.line_num for row in reader if row]
        text = file.read()
    if text.lstrip().startswith("["):
        return []
    return [n for n, line in enumerate(text.split("\n"), 1) if line.strip() and _is_row(line)]


def _is_row(line: str) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except ValueError:
        return False
