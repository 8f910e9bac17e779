"""A task's filters, scoring and aggregation, tried on answers that nobody gave.

What would fail when every answer is there fails before the first is asked: each of the
first items is answered once as it should be and once by nothing, as often as the task
repeats it, and goes through the very code that scores a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.errors import UserError
from harness.lm import as_result, decoding_of
from harness.suites.prompts import build_requests
from harness.suites.scoring import filter_answers, score
from harness.types import Response

ITEMS = 50  # so many items are tried
_SURE, _UNLIKELY = 0.0, -50.0  # nats


def faults(task: Any) -> list[str]:
    """What a run of the task would end with after its answers are there; [] for a sound one."""
    name = task.config.task
    found: dict[str, None] = {}
    if task.OUTPUT_TYPE == "generate_until":
        try:
            decoding_of(task.config.generation_kwargs or {})
        except UserError as error:
            found[str(error)] = None
    for what in ("gold", "empty"):
        try:
            asked = build_requests(task, 0, ITEMS)
            answers = _answered(task, gold=what == "gold")
            filter_answers(task)
            scored = score(task, answers, asked, {}, {})
        except UserError as error:
            said = str(error).removeprefix(f"task '{name}', ").removeprefix(f"task '{name}': ")
            found[f"tried on {what} answers: {said}"] = None
            continue
        except Exception as error:  # the suite's own code may raise anything
            found[f"tried on {what} answers: {type(error).__name__}: {error!s:.200}"] = None
            continue
        for metric, facts in scored.facts.items():
            if fault := facts.get("fault"):
                found[f"metric_list: the aggregation of '{metric}' on {what} answers: {fault}."] = (
                    None
                )
    return list(found)


def _answered(task: Any, *, gold: bool) -> dict[int, list[list[list[Response]]]]:
    """An answer to every request of the task, given to its instances as a run gives it."""
    answers: dict[int, list[list[list[Response]]]] = {}
    by_doc: dict[int, list[Any]] = {}
    for instance in task.instances:
        by_doc.setdefault(instance.doc_id, []).append(instance)
    for doc_id, instances in by_doc.items():
        instances.sort(key=lambda one: one.idx)
        right = _right(task, instances) if gold else frozenset()
        for place, instance in enumerate(instances):
            response = _response(instance, right, place)
            given = [[response]] * instance.repeats
            answers.setdefault(doc_id, []).append(given)
            instance.resps = [as_result(instance.request_type, one) for one in given]
    return answers


def _response(instance: Any, right: frozenset[Any], place: int) -> Response:
    if instance.request_type == "generate_until":
        text = next(iter(right), "")
        return Response("generation", text=str(text), finish="stop", tokens=1)
    sure = place in right
    return Response(
        "loglikelihood", loglikelihood=_SURE if sure else _UNLIKELY, greedy=sure, tokens=1
    )


def _right(task: Any, instances: list[Any]) -> frozenset[Any]:
    """The text to write, or the places of the requests that are to be likely."""
    doc = instances[0].doc
    kind = instances[0].request_type
    if kind == "generate_until":
        return frozenset(list(_texts(task, doc))[:1])
    if task.OUTPUT_TYPE != "multiple_choice":
        return frozenset(range(len(instances)))
    gold = task.doc_to_text(doc) if getattr(task, "multiple_input", 0) else task.doc_to_target(doc)
    if isinstance(gold, str):
        gold = task.doc_to_choice(doc).index(gold)
    count = len(task.doc_to_choice(doc))
    return frozenset(one % count for one in (gold if isinstance(gold, list) else [gold]))


def _texts(task: Any, doc: Any) -> Iterator[str]:
    gold = task.doc_to_target(doc)
    if task.config.doc_to_choice is not None and isinstance(gold, int):
        gold = task.doc_to_choice(doc)[gold]
    for one in gold if isinstance(gold, list | tuple) else [gold]:
        yield str(one)
