"""What a prompt specializer rewrites: what the task shows of its item, whatever a row calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import UserError
from harness.suites.index import SuiteIndex
from harness.suites.rewriting import rewrite_prompts

ROWS = [
    {"q": "Is garlic a plant?", "input": "a", "a": "yes", "c": ["yes", "no"]},
    {"q": "Is iron a plant?", "input": "b", "a": "no", "c": ["yes", "no"]},
]
PASSAGE = "Background: garlic is a bulb.\n"


def build(folder: Path, shots: int = 0, fields: tuple[str, ...] = ("q", "a", "c"), **keys: Any):
    rows = [{name: row[name] for name in fields} for row in ROWS]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": "asked",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "rows.jsonl")}},
        "test_split": "test",
        "fewshot_split": "test",
        "description": "Answer with yes or no.\n\n",
        "doc_to_text": "Question: {{q}}\nAnswer:",
        "doc_to_target": "{{a}}",
        "metadata": {"version": 1.0},
        **keys,
    }
    (folder / "asked.yaml").write_text(yaml.safe_dump(config))
    task = SuiteIndex({"own": folder}).load(["asked"], shots=shots, draw=0, data=None)["asked"]
    task.build_all_requests(rank=0, world_size=1)
    return task


def rewritten(task: Any) -> tuple[list[str], list[str], list[str]]:
    """Prompts before and after, and what may be cut of them."""
    before = [instance.args[0] for instance in task.instances]
    own = rewrite_prompts(task, lambda text: PASSAGE + text)
    return before, [instance.args[0] for instance in task.instances], own


@pytest.mark.parametrize("kind", ["generate_until", "multiple_choice"])
def test_rows_without_an_input_are_rewritten_by_what_the_task_shows(tmp_path: Path, kind: str):
    choice = {"doc_to_choice": "{{c}}"} if kind == "multiple_choice" else {}
    task = build(tmp_path, shots=1, output_type=kind, **choice)
    before, after, own = rewritten(task)
    for old, new in zip(before, after, strict=True):
        head, question, tail = old.rpartition("Question:")
        assert new == head + PASSAGE + question + tail  # shots and instruction as they were
    # Only the passages may be cut: question and label are never.
    assert set(own) == {PASSAGE}


def test_an_input_is_rewritten_where_it_stands(tmp_path: Path):
    fields = ("q", "a", "input")
    task = build(tmp_path, fields=fields, doc_to_text="{{q}}\nLetter <{{input}}>:")
    _, after, own = rewritten(task)
    assert after[1].endswith(f"Is iron a plant?\nLetter <{PASSAGE}b>:")
    assert own == [PASSAGE + "a", PASSAGE + "b"]


def test_what_cannot_be_rewritten_is_refused(tmp_path: Path):
    rolling = build(tmp_path, output_type="loglikelihood_rolling", doc_to_text="", doc_to_target="")
    with pytest.raises(UserError, match="task 'asked' scores whole texts"):
        rewritten(rolling)
    silent = build(tmp_path, doc_to_text="")
    with pytest.raises(UserError, match="shows neither the row's field 'input' nor"):
        rewritten(silent)
