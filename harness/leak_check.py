"""Which test items does a specialised model's making hold?

Joins an artifact with the tasks it is scored on: its training examples and the
passages they were answered with, against every item of every task at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.files import read_jsonl
from harness.leak_index import LeakIndex
from harness.leakage import ItemText, LeakReport, example_text
from harness.types import Artifact, Domain


def index_tasks(tasks: Mapping[str, Any]) -> LeakIndex:
    """Index every item of the lm-eval tasks, whatever part of them is run.

    A task that ranks the labels of another has its rows; they are indexed
    under each name, so that either record finds its flags.
    """
    return LeakIndex(
        ItemText(
            task=name,
            id=str(doc.get("id", number)),
            input=str(doc.get("input", "")),
            answers=tuple(str(answer) for answer in doc.get("target") or ()),
            document=str(doc.get("document") or ""),
        )
        for name, task in tasks.items()
        for number, doc in enumerate(task.eval_docs)
    )


def check_artifact(index: LeakIndex, artifact: Artifact, domain: Domain) -> LeakReport:
    """Compare what an artifact was made from with the indexed items."""
    return index.report(_texts(artifact, domain))


def _texts(artifact: Artifact, domain: Domain) -> Iterator[tuple[str, str]]:
    """(source id, text) of the training examples and of the passages shown for them."""
    shown: set[str] = set()
    path = artifact.folder / "data.jsonl"
    for row in read_jsonl(path) if path.exists() else ():
        shown.update(row.get("documents", ()))
        yield f"example:{row['id']}", example_text(row)
    for row in read_jsonl(domain.corpus) if domain.corpus and shown else ():
        if row["id"] in shown:
            yield f"passage:{row['id']}", example_text(row)
