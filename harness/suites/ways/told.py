"""Whether an answer is the example that the instruction gives: then the item was not read."""

from __future__ import annotations

import re
from typing import Any

_EDGES = " \t\n.,;:!?'\"`*()[]{}"


def example_of(task: Any) -> str:
    """The answer that the task's instruction gives as an example; "" for none.

    A wording says it itself, the YAML as `metadata.example`.
    """
    worded = getattr(task, "bench_wording", None)
    if worded is not None and "description" in worded.keys:
        return str(worded.example)
    return str((task.config.metadata or {}).get("example", ""))


def is_copied(answer: str, example: str) -> bool:
    """Whether an answer is the instruction's example: whole, or some of its parts and no more."""
    said, shown = _plain(answer), _plain(example)
    if not said or not shown:
        return False
    if shown in said:
        return True
    parts = {part for piece in _parts(example) if (part := _plain(piece))}
    given = [part for piece in _parts(answer) if (part := _plain(piece))]
    return bool(given) and all(part in parts for part in given)


def _parts(text: str) -> list[str]:
    return re.split(r"[,;\n]", text)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(_EDGES)
