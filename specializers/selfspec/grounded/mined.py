"""What no model wrote, where too little of the model's own is kept.

Long answers: a passage of the corpus answers a question on its title, or its conclusion answers one
over the text before it. A human's text teaches more than none, and keeps the length of answers up.
Source: Li et al. 2023, "Self-Alignment with Instruction Backtranslation" (arXiv 2308.06259),
without the model.

Then reading tasks that connectives and structure of the corpus give (`specializers.mining`), for
the types that the gate refused or that are not full.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Set
from itertools import islice

from harness.doors.files import read_jsonl
from harness.types import Domain, Json
from specializers.corpus.sentences import sentences
from specializers.mining.chosen import PER_TEXT, mined_tasks
from specializers.mining.patterns import mine
from specializers.selfspec.draws import seed_for
from specializers.selfspec.grounded.quotas import LONG

_WORDINGS = (
    "Explain in a short paragraph: {}.",
    "Write a few sentences on this topic: {}.",
    "What should a student know about this? {}.",
    "Describe briefly: {}.",
)
_CONCLUDE = (
    "Answer the question from the text, in one or two sentences.",
    "What do the authors conclude? Answer the question in a sentence or two.",
    "Write the conclusion of the text that answers the question.",
    "Use the text to answer the question in full sentences.",
)
_MOST = 90  # words of an answer
_POOL = 2000  # passages that are looked through
READING = "mined_"  # before a reading task's kind, which is none of the seeds' types


def concluded_rows(
    domain: Domain, missing: Mapping[str, int], long: Set[str], most: int, seed: int
) -> list[tuple[Json, Json]]:
    """(task, answer) rows for the long types that miss examples, from passages that end with a
    conclusion: what comes before it is the text, its title the question.

    Args:
        most: words of a text; its beginning is left out.
    """
    wanted = _wanted(missing, long)
    if not wanted or domain.corpus is None:
        return []
    found = [
        (row["id"], row["title"].strip(), text, task.output)
        for row in islice(read_jsonl(domain.corpus), _POOL)
        if row["title"]
        for task in mine(row["id"], "", row["text"], ())
        if task.kind == "conclusion" and (text := _ending(task.input, most))
    ]
    random.Random(seed_for("concluded", seed)).shuffle(found)
    rows = []
    for place, (kind, found_one) in enumerate(zip(wanted, found, strict=False)):
        passage, title, text, answer = found_one
        asked = title if title.endswith("?") else f"What is concluded on this: {title.rstrip('.')}?"
        # The question stands after the text and before it in turn.
        parts = [f"Text: {text}", f"Question: {asked}"]
        shown = "\n".join(parts if place % 2 else parts[::-1])
        wording = _CONCLUDE[place % len(_CONCLUDE)]
        rows.append(_rows(f"concluded-{place:04d}", kind, wording, shown, answer, [passage]))
    return rows


def titled_rows(
    domain: Domain, missing: Mapping[str, int], long: Set[str], seed: int
) -> list[tuple[Json, Json]]:
    """(task, answer) rows for the long types that miss examples, from passages with a title."""
    wanted = _wanted(missing, long)
    if not wanted or domain.corpus is None:
        return []
    found = [
        (row["id"], row["title"].rstrip(" .?!"), answer)
        for row in islice(read_jsonl(domain.corpus), _POOL)
        if row["title"] and len((answer := _opening(row["text"])).split()) > LONG
    ]
    random.Random(seed_for("mined", seed)).shuffle(found)
    rows = []
    for place, (kind, (passage, title, answer)) in enumerate(zip(wanted, found, strict=False)):
        asked = _WORDINGS[place % len(_WORDINGS)].format(title)
        rows.append(_rows(f"mined-{kind}-{place:04d}", kind, asked, "", answer, [passage]))
    return rows


def _wanted(missing: Mapping[str, int], long: Set[str]) -> list[str]:
    return [kind for kind, count in missing.items() if kind in long for _ in range(count)]


def _ending(text: str, most: int) -> str:
    """Whole sentences up to the end, of at most `most` words; "" where the last is longer."""
    starts = [start for start, _ in sentences(text) if len(text[start:].split()) <= most]
    return text[starts[0] :] if starts else ""


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
