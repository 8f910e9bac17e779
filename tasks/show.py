"""Render one item as a model sees it, for reading: `bench show TASK --shots 1 --item 3`."""

from __future__ import annotations

from typing import Any

from harness.errors import UserError


def render(task: Any, shots: int, item: int) -> str:
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
    lines = [
        f"task {name}, item {item} (id {doc.get('id', item)}), {shots} shots",
        "--- prompt ---",
        task.fewshot_context(doc, shots),
        "--- expected ---",
    ]
    target = task.doc_to_target(doc)
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = task.doc_to_choice(doc)
        gold = target if isinstance(target, int) else choices.index(target)
        lines += [f"{'*' if i == gold else ' '} {choice}" for i, choice in enumerate(choices)]
    else:
        lines.append(str(target))
    return "\n".join(lines)
