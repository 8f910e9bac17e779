"""Long answers that no model wrote: a passage of the corpus answers a question on its title.

For types of long answers, where the gate failed or the quota is not full: a human's text teaches
more than none, and keeps the length of answers up. Source: Li et al. 2023, "Self-Alignment with
Instruction Backtranslation" (arXiv 2308.06259), without the model.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Set

from harness.doors.files import read_jsonl
from harness.types import Domain, Json
from specializers.corpus.sentences import sentences
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


def mined_rows(
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
        name = f"mined-{kind}-{place:04d}"
        task = {
            "id": name,
            "instruction": _WORDINGS[place % len(_WORDINGS)].format(title),
            "input": "",
            "kind": kind,
            "mode": "mined",
            "mould": "",
            "wording": "none",
            "label": "",
            "source": answer,
            "seeds": [],
            "documents": [passage],
            "decoding": None,
            "prompt_sha256": "",
            "dropped": None,
        }
        rows.append((task, mined_answer(task)))
    return rows


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
