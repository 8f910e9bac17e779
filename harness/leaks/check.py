"""Which test items does a specialised model's making hold?

Joins an artifact with the tasks it is scored on: its training examples and the
seeds and passages they were made from, against every item of every task at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.artifacts.lineage import DATA, SOURCES, example_text
from harness.files import read_jsonl
from harness.leaks.index import LeakIndex
from harness.leaks.report import ItemText, LeakReport
from harness.suites.items import input_of, is_own, item_ids
from harness.types import Artifact, Domain


def index_tasks(tasks: Mapping[str, Any]) -> LeakIndex:
    """Index every item of the lm-eval tasks, whatever part of them is run.

    A task that ranks the labels of another has its rows; they are indexed
    under each name, so that either record finds its flags.
    """
    return LeakIndex(
        ItemText(
            task=name,
            id=item,
            input=input_of(doc),
            answers=tuple(doc["target"]) if is_own(doc) else (),
            document=str(doc["document"] or "") if is_own(doc) else "",
        )
        for name, task in tasks.items()
        for item, doc in zip(item_ids(task.eval_docs), task.eval_docs, strict=True)
    )


def check_artifact(index: LeakIndex, artifact: Artifact, domain: Domain) -> LeakReport:
    """Compare what an artifact was made from with the indexed items."""
    return index.report(_texts(artifact, domain))


def _texts(artifact: Artifact, domain: Domain) -> Iterator[tuple[str, str]]:
    """(source id, text) of the training examples and of the seeds and passages shown for them.

    Of an artifact that rewrites prompts, all seeds and passages of the domain:
    which of them an item is shown is only known when it is asked.
    """
    data, sources = artifact.folder / DATA, artifact.folder / SOURCES
    for row in read_jsonl(data) if data.exists() else ():
        yield f"example:{row['id']}", example_text(row)
    held = json.loads(sources.read_text(encoding="utf-8")) if sources.exists() else {}
    for kind, texts in held.items():
        yield from ((f"{kind.removesuffix('s')}:{name}", text) for name, text in texts.items())
    if artifact.kind == "prompt":
        yield from ((f"seed:{seed.id}", example_text(vars(seed))) for seed in domain.seeds)
        for row in read_jsonl(domain.corpus) if domain.corpus else ():
            yield f"passage:{row['id']}", example_text(row)
