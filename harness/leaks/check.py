"""Which test items does a specialised model's making hold?

Joins an artifact with the tasks it is scored on: its training examples and the
seeds and passages they were made from, against every item of every task at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.artifacts.lineage import DATA, SOURCES, example_text
from harness.doors import limits
from harness.doors.files import read_jsonl, read_object
from harness.files import sha256_file
from harness.leaks.index import LeakIndex
from harness.leaks.kept import kept_report
from harness.leaks.report import ItemText, LeakReport
from harness.progress import NullProgress
from harness.suites.items import input_of, is_own, item_ids
from harness.types import Artifact, Domain, Progress


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


def check_artifact(
    index: LeakIndex, artifact: Artifact, domain: Domain, progress: Progress | None = None
) -> LeakReport:
    """Compare what an artifact was made from with the indexed items; found if it was done."""
    names = [name for name in (DATA, SOURCES) if (artifact.folder / name).is_file()]
    key = [{name: sha256_file(artifact.folder / name) for name in names}]
    if artifact.kind == "prompt":
        key.append({"domain": domain.digest})  # covers seeds and corpus
    return kept_report(index, key, _texts(artifact, domain), progress or NullProgress())


def told(report: LeakReport, model: str) -> list[str]:
    """Lines for the user: items that are flagged, and wording that did not count."""
    lines = []
    counts = Counter(task for task, _ in report.leaks)
    if counts:
        tasks = ", ".join(
            f"{count} of {report.items[task]} in {task}" for task, count in counts.items()
        )
        source = next(iter(report.leaks.values())).hits[0].source
        lines.append(
            f"leak: what {model} was made from holds test items: {tasks} (such as {source}). The "
            f"board shows differences without them too; docs/leakage.md says how to leave them out."
        )
    return lines + wording_lines(report, f"what {model} was made from")


def wording_lines(report: LeakReport, held_by: str) -> list[str]:
    """Lines for the user about items that are not flagged for a wording that many share."""
    return [
        f"leak: {wording.items} of {report.items[task]} items of {task} are not flagged, since too "
        f"many documents of it share the wording that {held_by} holds: "
        f"'{wording.span:.100}' ({wording.source})."
        for task, wording in report.wordings.items()
    ]


def _texts(artifact: Artifact, domain: Domain) -> Iterator[tuple[str, str]]:
    """(source id, text) of the training examples and of the seeds and passages shown for them.

    Of an artifact that rewrites prompts, all seeds and passages of the domain:
    which of them an item is shown is only known when it is asked.
    """
    data, sources = artifact.folder / DATA, artifact.folder / SOURCES
    for row in read_jsonl(data) if data.exists() else ():
        yield f"example:{row['id']}", example_text(row)
    held = read_object(sources, limits.ITEMS_BYTES) if sources.exists() else {}
    for kind, texts in held.items():
        yield from ((f"{kind.removesuffix('s')}:{name}", text) for name, text in texts.items())
    if artifact.kind == "prompt":
        yield from ((f"seed:{seed.id}", example_text(vars(seed))) for seed in domain.seeds)
        yield from passage_texts(read_jsonl(domain.corpus) if domain.corpus else ())


def passage_texts(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(source id, text) of passages of a corpus."""
    for row in rows:
        yield f"passage:{row['id']}", example_text(row)
