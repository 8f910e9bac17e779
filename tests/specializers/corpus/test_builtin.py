"""The passages that come with a domain: enough of them, none twice, none of a test item."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.doors.files import read_jsonl
from harness.leaks.index import LeakIndex
from harness.leaks.report import ItemText
from specializers.domain import DOMAINS

TASKS = Path(__file__).parents[3] / "tasks"
CORPORA = sorted(DOMAINS.glob("*/corpus.jsonl"))
ENOUGH = 100
RUN = 12  # words in a row that two passages of their own wording do not share


def test_the_domains_have_passages() -> None:
    assert [path.parent.name for path in CORPORA] == ["biomed", "finance", "generic"]


@pytest.mark.parametrize("path", CORPORA, ids=lambda path: path.parent.name)
def test_there_are_enough_and_none_is_there_twice(path: Path) -> None:
    rows = list(read_jsonl(path))
    assert len(rows) >= ENOUGH
    assert len({row["text"] for row in rows}) == len({row["id"] for row in rows}) == len(rows)
    seen: dict[tuple[str, ...], str] = {}
    for row in rows:
        words = re.findall(r"\w+", row["text"].lower())
        for run in zip(*(words[start:] for start in range(RUN)), strict=False):
            assert seen.setdefault(run, row["id"]) == row["id"], run


@pytest.mark.parametrize("path", CORPORA, ids=lambda path: path.parent.name)
def test_no_passage_holds_an_item_of_the_suites_in_the_package(path: Path) -> None:
    items = [
        ItemText(task=file.parent.name, id=row["id"], input=row["input"], document=row["id"])
        for file in TASKS.glob("*_mini/data/*/test.jsonl")
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]
    assert len(items) > 300
    report = LeakIndex(items).report((row["id"], row["text"]) for row in read_jsonl(path))
    assert report.leaks == {}
