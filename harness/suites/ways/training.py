"""Items of a task's training split in the place of its test items: to choose, never to report."""

from __future__ import annotations

from typing import Any

from harness.errors import UserError


def training_items(task: Any, shots: int, count: int) -> int:
    """Put training items where a built task has its test items; how many there are.

    The rows after the few-shot examples, in the order in which the loader gives them (labels in
    turn), so that no item is among its own examples.

    Raises:
        UserError: the task has no training split, or no row beyond its few-shot examples.
    """
    config = task.config
    rows = task.dataset[config.training_split] if config.training_split else None
    known = len(rows) if rows is not None else 0
    left = range(shots, min(shots + count, known))
    if rows is None or not left or not config.test_split:
        raise UserError(
            f"task '{config.task}': no training items to choose a wording on: its YAML names "
            f"training_split: {config.training_split or 'none'}, which has {known} rows beside "
            f"{shots} few-shot examples. Name a wording with --wording, or ask in --wordings."
        )
    task.dataset = {**task.dataset, config.test_split: rows.select(left)}
    return len(left)
