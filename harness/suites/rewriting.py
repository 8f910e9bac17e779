"""A prompt specializer acts on what a task shows of an item, whatever its rows call it.

Tasks in this project's row schema have a field `input`, and their prompts hold it verbatim. Those
of others have a question, a passage, a sentence, and put them together in `doc_to_text`: there
all that the task shows of the item is its input. A task of which neither stands in the prompt
is refused, since a specializer that does nothing would be scored as if it had acted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.errors import UserError


def rewrite_prompts(task: Any, rewrite: Callable[[str], str]) -> list[str]:
    """Put the rewritten input in the place of each item's own, in the prompts of its requests.

    Args:
        task: an lm-eval Task whose requests are built.
        rewrite: the specializer's.
    Returns:
        for each request the text in its prompt that may be shortened where it is too long: the
        rewritten input, or where the question is part of what was rewritten, what was put before.
    Raises:
        UserError: the prompt holds nothing of the item that could be rewritten.
    """
    cuttable = []
    for instance in task.instances:
        own = _own_text(task, instance)
        prompt, *rest = instance.args
        head, _, tail = prompt.rpartition(own)
        new = rewrite(own)
        instance.arguments = (head + new + tail, *rest)
        cuttable.append(new if own == _input(instance.doc) else new.removesuffix(own))
    return cuttable


def _own_text(task: Any, instance: Any) -> str:
    """What stands of the item in its prompt: its input, else all that the task shows of it."""
    name = task.config.task
    if instance.request_type == "loglikelihood_rolling":
        raise UserError(
            f"task '{name}' scores whole texts (loglikelihood_rolling): it has no prompt that a "
            "specializer of kind 'prompt' could rewrite. Leave the task out for such a model."
        )
    shown = task.doc_to_text(instance.doc)
    for text in (_input(instance.doc), shown.strip() if isinstance(shown, str) else ""):
        if text and text in instance.args[0]:
            return text
    raise UserError(
        f"task '{name}': its prompt shows neither the row's field 'input' nor the text of "
        f"doc_to_text ({shown!r:.80}), so a specializer of kind 'prompt' has nothing to rewrite. "
        "Leave the task out for such a model, or let doc_to_text give the question."
    )


def _input(doc: Any) -> str:
    return str(doc.get("input", ""))
