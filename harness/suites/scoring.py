"""Responses -> the rows of a record and the value of each metric, by the task's own scoring."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from harness.doors import limits
from harness.doors.timed import within
from harness.errors import UserError
from harness.suites.items import document_of, input_of, item_ids, targets_of
from harness.suites.metrics import metric_facts
from harness.suites.prompts import Asked, as_at_first
from harness.types import UNSCORED, Json, Response

# Responses per item: for each of its requests, for each repetition, what was answered (one
# response, but for rolling windows).
Answers = Mapping[int, Sequence[Sequence[Sequence[Response]]]]


_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # another in each process


@dataclass(frozen=True)
class Scored:
    """What came out of a task.

    Attributes:
        rows: of items.jsonl.
        values: metric -> the task's score, NaN where nothing was scored or it could not be.
        facts: metric -> what the record says of it; `fault` says why there is no score.
    """

    rows: list[Json]
    values: Mapping[str, float]
    facts: Mapping[str, Json]


@dataclass
class _Metric:
    """A metric while items are scored: lm-eval aggregates its raw values, whatever they are."""

    function: Callable[..., Any]
    higher_is_better: bool
    raw: list[Any]


def score(
    task: Any,
    answers: Answers,
    asked: Asked,
    cut: Mapping[int, int],
    card: Mapping[str, Any],
) -> Scored:
    """Score a task whose requests were answered and filtered.

    Args:
        cut: tokens cut from each item's prompt.
        card: what the task's card says; of it `units` and `lower_is_better` are read.
    Raises:
        UserError: the task's own scoring cannot take an answer; names the item.
    """
    by_doc: dict[int, list[Any]] = defaultdict(list)
    for instance in task.instances:
        by_doc[instance.doc_id].append(instance)
    filters = list(task.instances[0].filtered_resps)
    names = item_ids(list(task.eval_docs))
    metrics: dict[str, _Metric] = {}
    rows: list[Json] = []
    named = task.aggregation()
    with as_at_first(task):
        for doc_id in sorted(by_doc):
            instances = sorted(by_doc[doc_id], key=lambda instance: instance.idx)
            flat = [one for request in answers[doc_id] for given in request for one in given]
            unscored = next((s for s in UNSCORED if any(r.status == s for r in flat)), "")
            values: Json = {}
            for name in [] if unscored else filters:
                for metric, value in results_of(task, instances, name, names[doc_id]).items():
                    label = metric_label(metric, name)
                    if metric not in named and isinstance(plain(value), list):
                        continue  # counts, of which nobody said how they are put together
                    values[label] = _stated(plain(value))
                    _of(task, metrics, label, metric).raw.append(value)
            status = unscored or ("unparseable" if values.get("unparseable") else "ok")
            rows.append(
                _row(task, instances, answers[doc_id], names[doc_id])
                | {
                    "status": status,
                    "metrics": values,
                    "cut_tokens": cut.get(doc_id, 0) + sum(one.cut_tokens for one in flat),
                    "asked_sha256": asked.digests[doc_id],
                }
            )
        if not metrics:  # nothing was scored: the record still says what would have been
            for name in filters:
                for metric in task.aggregation():
                    _of(task, metrics, metric_label(metric, name), metric)
        return _aggregated(
            rows, metrics, card.get("units") or {}, card.get("lower_is_better") or ()
        )


def filter_answers(task: Any) -> None:
    """Take what every request was answered through the task's filters.

    Raises:
        UserError: one of them fails, or does not come to an end.
    """
    told = f"task '{task.config.task}': its filters (filter_list)"
    seconds = limits.FILTER_SECONDS * (1 + len(task.instances) / 1000)
    try:
        with as_at_first(task), within(told, seconds):
            task.apply_filters()
    except UserError:
        raise
    except Exception as error:  # patterns and functions of the suite
        raise UserError(
            f"{told} fail with {type(error).__name__}: {error!s:.200}. Mend them; 'bench "
            "validate' tries them before anything is asked."
        ) from error


def results_of(task: Any, instances: Sequence[Any], name: str, item: str) -> Mapping[str, Any]:
    """The task's values for one item.

    Raises:
        UserError: its scoring failed, or gave no table of values.
    """
    given = [instance.filtered_resps[name] for instance in instances]
    told = f"task '{task.config.task}', item {item}: its scoring, with its regexes_to_ignore,"
    # Patterns of the task; a function of one's own takes the time it takes.
    timed = task.config.process_results is None and _has_patterns(task)
    try:
        with within(told, limits.FILTER_SECONDS) if timed else nullcontext():
            found = task.process_results(instances[0].doc, given)
    except UserError:
        raise
    except Exception as error:  # the suite's own code may raise anything
        raise UserError(
            f"task '{task.config.task}', item {item}: its scoring (process_results) fails with "
            f"{type(error).__name__}: {error!s:.200}. Mend it; 'bench validate' tries it before "
            f"anything is asked."
        ) from error
    if not isinstance(found, Mapping):
        raise UserError(
            f"task '{task.config.task}', item {item}: process_results gives "
            f"{type(found).__name__}; expected a table of metric to value."
        )
    return found


def _has_patterns(task: Any) -> bool:
    entries = task.config.metric_list or ()
    return any(isinstance(e, Mapping) and "regexes_to_ignore" in e for e in entries)


def _of(task: Any, metrics: dict[str, _Metric], label: str, metric: str) -> _Metric:
    """lm-eval takes the mean of a value that the task's `metric_list` does not name."""
    if label not in metrics:
        from lm_eval.api.metrics import mean

        function = task.aggregation().get(metric, mean)
        metrics[label] = _Metric(function, bool(task.higher_is_better().get(metric, True)), [])
    return metrics[label]


def aggregate(function: Callable[..., Any], raw: Sequence[Any]) -> float:
    """A metric's value.

    Raises:
        UserError: it fails, or gives what is no number.
    """
    try:
        value = function(list(raw))
    except Exception as error:  # the suite's own code may raise anything
        raise UserError(f"{type(error).__name__}: {error!s:.200}") from error
    value = plain(value)
    if not isinstance(value, int | float):
        raise UserError(f"found {type(value).__name__} ({value!r:.60}); expected a number")
    return float(value)


def _aggregated(
    rows: list[Json],
    metrics: Mapping[str, _Metric],
    units: Mapping[str, str],
    lower: Collection[str],
) -> Scored:
    values: dict[str, float] = {}
    facts: dict[str, Json] = {}
    for label, metric in metrics.items():
        fault = ""
        values[label] = math.nan
        if metric.raw:
            try:
                values[label] = aggregate(metric.function, metric.raw)
            except UserError as error:
                fault = str(error)
        told = [row["metrics"].get(label) for row in rows]
        told += [] if math.isnan(values[label]) else [values[label]]
        name = label.partition(",")[0]
        higher = metric.higher_is_better and name not in lower
        facts[label] = metric_facts(metric.function, higher, told, units.get(name, ""))
        if fault:
            facts[label]["fault"] = fault
    return Scored(rows, values, facts)


def metric_label(metric: str, filtered: str) -> str:
    """A metric's name in a record: with its filter, where it has one."""
    return metric if filtered == "none" else f"{metric},{filtered}"


def _row(
    task: Any, instances: Sequence[Any], answers: Sequence[Sequence[Sequence[Response]]], name: str
) -> Json:
    doc = instances[0].doc
    return {
        "id": name,
        "status": "",
        "input": input_of(doc),
        "answer": _answer(task, doc, instances, answers),
        "target": targets_of(task, doc),
        "metrics": {},
        "document": document_of(doc, name),
        "cut_tokens": 0,
        "prompt_sha256": sha256(str(instances[0].args[0]).encode()).hexdigest(),
        "responses": [_response(one) for request in answers for given in request for one in given],
    }


def _answer(
    task: Any,
    doc: Any,
    instances: Sequence[Any],
    answers: Sequence[Sequence[Sequence[Response]]],
) -> str:
    """What the model said first: its text, or the choice with the highest loglikelihood."""
    first = [one for request in answers for one in request[0]]
    if instances[0].request_type == "generate_until":
        return first[0].text or ""
    scores = [response.loglikelihood for response in first]
    known = [value for value in scores if value is not None]
    if len(known) < len(scores) or not known:
        return ""
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = task.doc_to_choice(doc)
        own = known[: len(choices)]  # what follows are the choices without their question
        return str(choices[own.index(max(own))])
    return f"{sum(known):.6f}"


def _response(response: Response) -> Json:
    """A response as a record keeps it: the answer, without what is the default."""
    row: Json = {"tokens": response.tokens}
    if response.kind == "generation":
        row |= {"text": response.text, "finish": response.finish}
    else:
        row |= {"loglikelihood": response.loglikelihood, "greedy": response.greedy}
    if response.reasoning is not None:
        row |= {"reasoning": response.reasoning, "reasoning_tokens": response.reasoning_tokens}
    return row | ({"error": response.error} if response.status != "ok" else {})


def _stated(value: Any) -> Any:
    """A value as a record holds it: what is no number is null; lm-eval's functions see it still."""
    if isinstance(value, list):
        return [_stated(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain(value: Any) -> Any:
    """A metric's value as JSON has it; what has no such form is written out."""
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(part) for part in value), key=str)
    return _ADDRESS.sub("", str(value))
