"""A task's items as records tell them: which row is which, what was expected of it.

Rows of this project's schema say it themselves (`id`, `input`, `target`, `document`, see
docs/suites.md). Other rows may have columns of these names that mean something else; of
those only an `id` that tells every row apart is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# The columns that `tasks.datasets` gives every row.
OWN_COLUMNS = frozenset({"id", "input", "target", "gold", "labels", "document", "meta"})


def is_own(doc: Mapping[str, Any]) -> bool:
    """Whether a row has this project's schema: its columns, with what belongs in them."""
    if not isinstance(doc, Mapping) or not doc.keys() >= OWN_COLUMNS:
        return False
    texts = (doc["input"], doc["document"], *_parts(doc["target"]), *_parts(doc["labels"]))
    return all(isinstance(one, str) for one in texts)


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [None]


def item_ids(docs: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each of a task's rows, the same however many of them are run.

    The rows' own `id` where each has another one, else their number.
    """
    names = [str(doc["id"]) if _plain(doc.get("id")) else "" for doc in docs]
    unique = "" not in names and len(set(names)) == len(names)
    return names if unique else [str(number) for number in range(len(names))]


def input_of(doc: Mapping[str, Any]) -> str:
    """The row's own input, without instruction; "" where it has no such text."""
    text = doc.get("input", "")
    return text if isinstance(text, str) else ""


def document_of(doc: Mapping[str, Any], name: str) -> str:
    """Which rows belong together and are resampled together."""
    return str(doc["document"] or name) if is_own(doc) else name


def targets_of(task: Any, doc: Mapping[str, Any]) -> list[str]:
    """What was expected, in words; a label out of range is said to be none."""
    if is_own(doc):
        target = doc["target"]
    else:
        target = task.doc_to_target(doc)
        if task.OUTPUT_TYPE == "multiple_choice" and not getattr(task, "multiple_input", 0):
            choices = task.doc_to_choice(doc)
            golds = target if isinstance(target, list) else [target]
            target = [_choice(choices, gold) for gold in golds]
        elif task.OUTPUT_TYPE == "multiple_choice":
            target = _choice(task.doc_to_choice(doc), task.doc_to_text(doc))
    return [str(part) for part in target] if isinstance(target, list) else [str(target)]


def _choice(choices: Sequence[Any], gold: Any) -> str:
    """A gold label as the choice it names."""
    if not isinstance(gold, int) or isinstance(gold, bool):
        return str(gold)
    inside = choice_named(choices, gold)
    return str(choices[gold]) if inside else f"label {gold} of {len(choices)} choices"


def choice_named(choices: Sequence[Any], gold: Any) -> bool:
    """Whether a gold label, a number or the choice itself, is one of the choices."""
    if isinstance(gold, int) and not isinstance(gold, bool):
        return -len(choices) <= gold < len(choices)
    return gold in choices


def _plain(value: Any) -> bool:
    return isinstance(value, str | int) and str(value) != ""
