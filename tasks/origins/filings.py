"""Questions over companies' reports: FinQA (JSON)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import read_json
from tasks.numbers import parse_number


def convert_finqa(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Questions whose answer is a number, with the whole table and the gold sentences.

    Accepted are the answer as its authors wrote it and the result of their program,
    which states a percentage as a fraction of 1.

    Args:
        options: "train", "test": paths.
    """
    splits: dict[str, list[dict[str, Any]]] = {}
    for split in ("train", "test"):
        entries = read_json(files[options[split]], limits.UNPACKED_WHOLE)
        rows = [_row(entry, dataset) for entry in entries]
        splits[split] = [row for row in rows if row["target"]]
    return splits


def _row(entry: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    question = entry["qa"]
    facts = question.get("gold_inds", {})
    told = " ".join(text.strip() for name, text in facts.items() if name.startswith("text"))
    table = "\n".join(" | ".join(cell.strip() for cell in line) for line in entry["table"])
    answers = [str(question.get(key, "")).strip() for key in ("answer", "exe_ans")]
    numbers = [answer for answer in answers if answer and parse_number(answer) is not None]
    context = f"Context: {told}\n" if told else ""
    return {
        "id": f"{dataset}-{entry['id']}",
        "input": f"{context}Table:\n{table}\nQuestion: {question['question'].strip()}",
        "target": list(dict.fromkeys(numbers)),
        "meta": {"document": str(entry["id"]).rsplit("-", 1)[0]},
    }
