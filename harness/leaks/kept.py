"""Leak reports kept by what was compared: equal texts against equal items are compared once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from harness.doors.files import parse_json
from harness.files import cache_folder, digest, write_json
from harness.leaks.index import MATCHING_VERSION, LeakIndex
from harness.leaks.report import Hit, Leak, LeakReport, SharedWording
from harness.types import Json, Progress


def kept_report(
    index: LeakIndex, texts_key: Any, texts: Iterable[tuple[str, str]], progress: Progress
) -> LeakReport:
    """The report of these texts, found if it was made before.

    Args:
        texts_key: what stands for the texts: digests of all that they are read from.
        texts: (source id, text), read only if the report is not there.
    """
    facts = {"version": MATCHING_VERSION, "items": index.digest, "texts": texts_key}
    path = cache_folder() / "leaks" / f"{digest(facts)}.json"
    try:
        return _report(index, parse_json(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # not there, or damaged
    progress.start("leak check", 0, "texts")
    report = index.report(_counted(texts, progress))
    progress.finish()
    write_json(path, report.to_json())
    return report


def _counted(texts: Iterable[tuple[str, str]], progress: Progress) -> Iterable[tuple[str, str]]:
    for pair in texts:
        yield pair
        progress.advance(1)


def _report(index: LeakIndex, kept: Json) -> LeakReport:
    tasks = kept["tasks"]
    return LeakReport(
        rule=index.rule,
        texts=kept["texts"],
        items=Counter({task: part["items"] for task, part in tasks.items()}),
        unchecked={task: tuple(p["unchecked"]) for task, p in tasks.items() if p["unchecked"]},
        touched=Counter({task: part["touched"] for task, part in tasks.items() if part["touched"]}),
        wordings={
            task: SharedWording(**part["wording"])
            for task, part in tasks.items()
            if part["wording"]
        },
        leaks={
            (task, item): Leak(leak["sources"], tuple(Hit(**hit) for hit in leak["hits"]))
            for task, part in tasks.items()
            for item, leak in part["flagged"].items()
        },
    )
