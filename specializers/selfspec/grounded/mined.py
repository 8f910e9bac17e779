"""What no model wrote, where too little of the model's own is kept.

Long answers: a passage of the corpus answers a question on its title. A human's text teaches more
than none, and keeps the length of answers up. Source: Li et al. 2023, "Self-Alignment with
Instruction Backtranslation" (arXiv 2308.06259), without the model.

Then reading tasks that connectives and structure of the corpus give (`specializers.mining`), for
the types that the gate refused or that are not full.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Set

from harness.doors.files import read_jsonl
from harness.types import Domain, Json
from specializers.corpus.sentences import sentences
from specializers.mining.chosen import PER_TEXT, mined_tasks
from specializers.selfspec.draws import seed_for
from specializers.selfspec.grounded.quotas import LONG

_WORDINGS = (
    "Explain in a short paragraph: {}.",
    "Write a few sentences on this topic: {}.",
    "What should a student know about this? {}.",
    "Describe briefly: {}.",
)
_MOST = 90  # words of an answer
_POOL = 2000  # passages that are looked through
READING = "mined_"  # before a reading task's kind, which is none of the seeds' types


def titled_rows(
    domain: Domain, missing: Mapping[str, int], long: Set[str], seed: int
) -> list[tuple[Json, Json]]:
    """(task, answer) rows for the long types that miss examples, from passages with a title."""
    wanted = [kind for kind, count in missing.items() if kind in long for _ in range(count)]
    if not wanted or domain.corpus is None:
        return []
    found = [
        (row["id"], row["title"].rstrip(" .?!"), answer)
        for row, _ in zip(read_jsonl(domain.corpus), range(_POOL), strict=False)
        if row["title"] and len((answer := _opening(row["text"])).split()) > LONG
    ]
    random.Random(seed_for("mined", seed)).shuffle(found)
    rows = []
    for place, (kind, (passage, title, answer)) in enumerate(zip(wanted, found, strict=False)):
        asked = _WORDINGS[place % len(_WORDINGS)].format(title)
        rows.append(_rows(f"mined-{kind}-{place:04d}", kind, asked, "", answer, [passage]))
    return rows


def reading_rows(domain: Domain, count: int, seed: int) -> list[tuple[Json, Json]]:
    """(task, answer) rows of `count` reading tasks, or as many as the corpus holds."""
    if not count or domain.corpus is None:
        return []
    return [
        _rows(
            row["id"],
            f"{READING}{row['task_type']}",
            row["instruction"],
            row["input"],
            row["output"],
            row["documents"],
        )
        for row in mined_tasks(domain.corpus, count, PER_TEXT, seed)
    ]


def _rows(
    name: str, kind: str, instruction: str, shown: str, answer: str, documents: list[str]
) -> tuple[Json, Json]:
    task = {
        "id": name,
        "instruction": instruction,
        "input": shown,
        "kind": kind,
        "mode": "mined",
        "mould": "",
        "wording": "none",
        "label": "",
        "source": answer,
        "seeds": [],
        "documents": documents,
        "decoding": None,
        "prompt_sha256": "",
        "dropped": None,
    }
    return task, mined_answer(task)


def mined_answer(task: Json) -> Json:
    """The answer's row of a mined task: the text itself."""
    return {
        "id": task["id"],
        "output": task["source"],
        "seeds": [],
        "documents": task["documents"],
        "decoding": None,
        "prompt_sha256": "",
        "votes": {},
        "dropped": None,
    }


def _opening(text: str) -> str:
    """Whole sentences from the beginning, of at most 90 words."""
    text = " ".join(text.split())
    end = 0
    for _, stop in sentences(text):
        if len(text[:stop].split()) > _MOST:
            break
        end = stop
    return text[:end]
