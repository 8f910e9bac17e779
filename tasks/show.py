"""Render one item as a model sees it, for reading: `bench show TASK --shots 1 --item 3`."""

from __future__ import annotations

from typing import Any

from harness.errors import UserError
from harness.suites.items import item_ids, targets_of
from harness.suites.prompts import prompts


def render(task: Any, shots: int, item: int, draw: int = 0) -> str:
    """The prompt of an item as plain text, and what is expected.

    Args:
        task: lm-eval's Task, loaded for the draw that is to be shown.
        shots: number of demonstrations.
        item: index of the test item, from 0.
    Raises:
        UserError: no such item, or too few demonstrations.
    """
    docs = task.eval_docs
    name = task.config.task
    if not 0 <= item < len(docs):
        raise UserError(f"{name} has items 0 to {len(docs) - 1}, not {item}; choose with --item.")
    available = len(task.fewshot_docs() or []) if shots else 0
    if shots > available:
        raise UserError(
            f"{name} has {available} demonstrations, not {shots}; use --shots {available} or fewer."
        )
    doc = docs[item]
    prompt = prompts(task, shots, draw, item + 1)[item]
    # Where each choice has a context of its own (winogrande), all of them are shown.
    shown = prompt if isinstance(prompt, str) else "\n--- or ---\n".join(prompt)
    lines = [
        f"task {name}, item {item} (id {item_ids(docs)[item]}), {shots} shots",
        "--- prompt ---",
        shown,
        "--- expected ---",
    ]
    if task.OUTPUT_TYPE == "multiple_choice" and isinstance(prompt, str):
        gold = targets_of(task, doc)
        lines += [f"{'*' if c in gold else ' '} {c}" for c in task.doc_to_choice(doc)]
        lines += [f"! {one}" for one in gold if one not in task.doc_to_choice(doc)]
    else:
        target = task.doc_to_target(doc)
        lines.append(str(target))
        if not isinstance(prompt, str):
            lines.append(f"after context {1 + int(task.doc_to_text(doc))}")
    return "\n".join(lines)
