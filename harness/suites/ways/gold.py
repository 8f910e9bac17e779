"""How likely the gold answer was: bits per byte, given the very prompt that was asked.

A score says nothing of a model whose answers cannot be read, or are all wrong. How
many bits its probabilities need for the right answer tells models apart there as
well, and moves with every bit of what a model learns (arXiv 2508.13144).

The gold answer is the text that a few-shot example would show: for several accepted
answers each of them, and the likeliest counts; for a list the joined one. It is scored
after the item's prompt as lm-eval scores a choice: after the target delimiter in plain
text, without it where a chat template opened the answer's turn. Bits are those of the
answer's tokens, bytes those of its UTF-8 text.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from harness.suites.items import is_own
from harness.types import Json, Response

GOLD_BPB = "gold_bpb"
FACTS = {"aggregation": "mean_score", "higher_is_better": False, "unit": "bits per byte"}

# Loglikelihoods of continuations: (prompt, continuation) each -> one response each.
ScoreTexts = Callable[[Sequence[tuple[str, str]]], Sequence[Response]]


def gold_answers(task: Any, doc: Mapping[str, Any]) -> list[str]:
    """The texts of which each would be the whole right answer to an item."""
    shown = task.doc_to_target(doc)
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = task.doc_to_choice(doc)
        places = shown if isinstance(shown, list) else [shown]
        found = [
            choices[one] if isinstance(one, int) and -len(choices) <= one < len(choices) else one
            for one in places
        ]
    elif is_own(doc) and len(doc["target"]) > 1 and shown == doc["target"][0]:
        found = list(doc["target"])  # each is accepted, the first is shown
    else:
        found = shown if isinstance(shown, list) else [shown]
    return [text for one in dict.fromkeys(found) if (text := str(one)).strip()]


def bits_per_byte(loglikelihood: float, text: str) -> float:
    """Nats of a text -> bits per byte of its UTF-8 form."""
    return -loglikelihood / math.log(2) / len(text.encode("utf-8"))


def gold_bits(
    task: Any, score_texts: ScoreTexts | None, chat: bool, wanted: Collection[int]
) -> dict[int, float]:
    """Item -> bits per byte of its gold answer, for a task whose requests were answered.

    Ranked choices were scored already. A written answer's gold is asked for here, all items
    in one go. Items without an answer of their own (rolling windows, a prompt per choice) and
    those whose call failed have none.

    Args:
        score_texts: None for an engine that gives no loglikelihoods.
        wanted: the places of the items that it is asked for.
    """
    by_doc: dict[int, list[Any]] = defaultdict(list)
    for instance in task.instances:
        if instance.doc_id in wanted:
            by_doc[instance.doc_id].append(instance)
    if task.OUTPUT_TYPE == "multiple_choice":
        return {} if getattr(task, "multiple_input", 0) else _of_choices(task, by_doc)
    if task.OUTPUT_TYPE != "generate_until" or score_texts is None:
        return {}
    delimiter = "" if chat and not task.config.gen_prefix else str(task.config.target_delimiter)
    asked = [
        (doc_id, answer, (str(instances[0].args[0]), f"{delimiter}{answer}"))
        for doc_id, instances in by_doc.items()
        for answer in gold_answers(task, instances[0].doc)
    ]
    responses = score_texts([pair for _, _, pair in asked])
    found: dict[int, list[float]] = defaultdict(list)
    for (doc_id, answer, _), response in zip(asked, responses, strict=True):
        if response.status == "ok" and response.loglikelihood is not None:
            found[doc_id].append(bits_per_byte(response.loglikelihood, answer))
    return {doc_id: min(values) for doc_id, values in found.items()}


def _of_choices(task: Any, by_doc: Mapping[int, Sequence[Any]]) -> dict[int, float]:
    found = {}
    for doc_id, instances in by_doc.items():
        doc = instances[0].doc
        golds, choices = gold_answers(task, doc), [str(one) for one in task.doc_to_choice(doc)]
        values = [
            bits_per_byte(instance.resps[0][0], choice)
            for choice, instance in zip(choices, instances, strict=False)
            if choice in golds and choice and not math.isnan(instance.resps[0][0])
        ]
        if values:
            found[doc_id] = min(values)
    return found


def with_bits(rows: Sequence[Json], bits: Mapping[str, float]) -> list[Json]:
    """Rows with their bits per byte.

    Args:
        bits: by the items' ids.
    """
    return [
        {**row, "metrics": {**row["metrics"], GOLD_BPB: bits[row["id"]]}}
        if row["id"] in bits
        else row
        for row in rows
    ]
