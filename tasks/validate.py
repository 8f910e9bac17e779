"""Is a task what its card says, and does its scoring do what it should? No model is asked.

The rule on n: a suite's own rows and a set that `bench data fetch` made whole
must have exactly the card's number of items; a local mirror may have fewer and
is then called partial (a note), never more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import UserError
from harness.suites.items import is_own
from harness.suites.named.rows import choice_faults
from tasks.cards import Card
from tasks.datasets import find
from tasks.origins.fetching import is_complete
from tasks.scaffold import unedited

# So many demonstrations are checked; more are seldom asked for.
_SHOTS = 5
_FULL_MARKS = 1.0 - 1e-9
# A demonstration is nearly a test item if so much of their words is common; shorter
# inputs are mostly the task's own form and say nothing.
_NEAR, _NEAR_WORDS = 0.9, 8


@dataclass(frozen=True)
class TaskFinding:
    """One thing validation found.

    level: "error" (the task must not be scored), "warning" (its score means less than it
    seems), "note" (good to know).
    """

    level: Literal["error", "warning", "note"]
    task: str
    message: str


def validate(tasks: Mapping[str, Any], cards: Mapping[str, Card]) -> list[TaskFinding]:
    """Check tasks against their cards, their rows and their scoring.

    Args:
        tasks: lm-eval Task objects by name.
        cards: cards by task name. A task in this project's row schema must have one.
    Returns:
        findings in the order of the tasks.
    """
    findings: list[TaskFinding] = []
    for name, task in tasks.items():
        card, own_schema = cards.get(name), is_own(task.eval_docs[0])
        if card is not None:
            findings += _card_findings(name, task, card)
            findings += _scoring_findings(name, task, card)
        elif own_schema:
            findings.append(TaskFinding("error", name, f"has no card; add {name}.card.toml."))
        else:
            findings.append(TaskFinding("warning", name, "has no card, so nothing vouches for it."))
        if card is None:
            findings += _tried(name, task)
        if own_schema:
            findings += _row_findings(name, task)
    return findings


def _tried(name: str, task: Any) -> Iterable[TaskFinding]:
    """What a run would end with: of its scoring, and of rows whose label is none of the choices."""
    from harness.forecast.trying import faults

    for message in [*faults(task), *choice_faults(task)]:
        yield TaskFinding("error", name, message)


def _card_findings(name: str, task: Any, card: Card) -> list[TaskFinding]:
    findings = []
    if card.origin.kind == "own" and (left := unedited(card)):
        message = f"its card still says what 'bench new' wrote: {', '.join(left)}. Edit it."
        findings.append(TaskFinding("warning", name, message))
    if card.stand_in:
        findings.append(
            TaskFinding("note", name, f"stands in for {card.stand_in}; not the same set.")
        )
    version = str((task.config.metadata or {}).get("version", ""))
    if card.origin.kind != "lm-eval" and version != card.version:
        message = f"metadata.version is '{version}', the card says '{card.version}'."
        findings.append(TaskFinding("error", name, message))
    metrics = task.aggregation()
    if card.main_metric not in metrics:
        message = f"the card's main_metric '{card.main_metric}' is not among {sorted(metrics)}."
        findings.append(TaskFinding("error", name, message))
    n_test, n_train = len(task.eval_docs), len(task.fewshot_docs() or [])
    findings += _count_findings(name, task, card, n_test, n_train)
    return findings


def _count_findings(
    name: str, task: Any, card: Card, n_test: int, n_train: int
) -> Iterable[TaskFinding]:
    if card.origin.kind == "lm-eval":
        whole, source = True, "lm-eval's data"
    else:
        folder = _folder(task)
        whole = card.origin.kind == "own" or is_complete(folder)
        source = str(folder)
    if not card.n_test:
        yield TaskFinding(
            "note", name, f"{n_test} items in {source}; the card's n is not known yet."
        )
    elif n_test > card.n_test or (whole and n_test != card.n_test):
        level: Literal["error", "warning"] = "error" if card.n_from == "origin" else "warning"
        yield TaskFinding(
            level, name, f"{n_test} items in {source}, the card states {card.n_test}."
        )
    elif n_test < card.n_test:
        yield TaskFinding("note", name, f"partial: {n_test} of {card.n_test} items in {source}.")
    if card.n_train and whole and n_train != card.n_train and card.origin.kind == "own":
        message = f"{n_train} train rows in {source}, the card states {card.n_train}."
        yield TaskFinding("error", name, message)


def _folder(task: Any) -> Path:
    metadata = task.config.metadata or {}
    return find(
        task.config.dataset_kwargs["dataset"],
        metadata.get("data_dir"),
        metadata.get("config_source"),
    )


def _scoring_findings(name: str, task: Any, card: Card) -> list[TaskFinding]:
    """Gold answers score full marks; empty ones nothing; other items' answers less."""
    metric = card.main_metric
    if metric not in task.aggregation():
        return []
    docs = list(task.eval_docs)
    golds = [_gold(task, doc) for doc in docs]
    findings = []
    try:
        score = _score(task, metric, docs, golds)
        results = _results(task, docs[0], golds[0])
    except UserError as error:
        return [TaskFinding("error", name, str(error))]
    # Kinder and stricter readings stand beside a metric where the task asks for them.
    named = {f"{name}{way}" for name in task.aggregation() for way in ("", "_lenient", "_strict")}
    if unnamed := sorted(results.keys() - named):
        message = f"process_results gives {unnamed}, which metric_list does not name. Add them."
        findings.append(TaskFinding("error", name, message))
    if score < _FULL_MARKS:
        wrong = [
            str(doc.get("id", number))
            for number, (doc, gold) in enumerate(zip(docs, golds, strict=True))
            if _score(task, metric, [doc], [gold]) < _FULL_MARKS
        ]
        message = f"gold answers score {score:.4f} on {metric}, expected 1; wrong: {wrong[:5]}."
        findings.append(TaskFinding("error", name, message))
    if task.OUTPUT_TYPE == "generate_until":
        empty = _score(task, metric, docs, [""] * len(docs))
        if empty > 0:
            message = f"empty answers score {empty:.4f} on {metric}, expected 0."
            findings.append(TaskFinding("error", name, message))
    shuffled = _score(task, metric, docs, [*golds[1:], *golds[:1]])
    if len(set(map(str, golds))) > 1 and shuffled >= _FULL_MARKS:
        message = f"the answers of other items score full marks on {metric}."
        findings.append(TaskFinding("error", name, message))
    return findings


def _gold(task: Any, doc: Mapping[str, Any]) -> Any:
    """The gold answer: a text to generate, or the index of the choice to rank first."""
    gold = task.doc_to_target(doc)
    if task.OUTPUT_TYPE == "multiple_choice" and isinstance(gold, str):
        return task.doc_to_choice(doc).index(gold)
    return gold


def _score(
    task: Any, metric: str, docs: Sequence[Mapping[str, Any]], answers: Sequence[Any]
) -> float:
    values = [
        _results(task, doc, answer)[metric] for doc, answer in zip(docs, answers, strict=True)
    ]
    return float(task.aggregation()[metric](values))


def _results(task: Any, doc: Mapping[str, Any], answer: Any) -> Mapping[str, Any]:
    results: list[Any] = [answer]
    if task.OUTPUT_TYPE == "multiple_choice":
        count = len(task.doc_to_choice(doc))
        results = [(0.0 if i == answer else -1.0, i == answer) for i in range(count)]
    found: Mapping[str, Any] = task.process_results(doc, results)
    return found


def _row_findings(name: str, task: Any) -> list[TaskFinding]:
    test, train = list(task.eval_docs), list(task.fewshot_docs() or [])
    findings = [*_label_findings(name, task, test, train), *_duplicate_findings(name, test)]
    test_inputs = {_normal(doc["input"]) for doc in test}
    shared = [doc["id"] for doc in train if _normal(doc["input"]) in test_inputs]
    shown = [doc["id"] for doc in train[:_SHOTS] if _normal(doc["input"]) in test_inputs]
    if shown or task.config.fewshot_split == task.config.test_split:
        message = f"demonstrations are test items: {shown or task.config.fewshot_split}."
        findings.append(TaskFinding("error", name, message))
    elif shared:
        message = f"{len(shared)} train inputs are test inputs too: {shared[:5]}."
        findings.append(TaskFinding("error", name, message))
    if not shown and (near := _near_copies(train[:_SHOTS], test)):
        message = f"demonstrations are nearly test items: {near}."
        findings.append(TaskFinding("error", name, message))
    documents = {doc["document"] for doc in test} & {doc["document"] for doc in train}
    if documents:
        message = (
            f"{len(documents)} documents have rows in train and in test: {sorted(documents)[:5]}."
        )
        findings.append(TaskFinding("warning", name, message))
    return findings


def _near_copies(
    shots: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Demonstrations that share nearly all words with a test item, as "shot ~ item"."""
    words = [(str(doc["id"]), frozenset(_normal(doc["input"]).split())) for doc in test]
    return [
        f"{shot['id']} ~ {name}"
        for shot in shots
        for name, other in words
        if len(own := frozenset(_normal(shot["input"]).split())) >= _NEAR_WORDS
        and len(own & other) >= _NEAR * len(own | other)
    ]


def _label_findings(
    name: str, task: Any, test: Sequence[Mapping[str, Any]], train: Sequence[Mapping[str, Any]]
) -> Iterable[TaskFinding]:
    inventories = {tuple(doc["labels"]) for doc in [*test, *train]}
    if len(inventories) > 1:
        message = f"rows differ in their labels: {sorted(inventories)[:2]}; a task has one list."
        yield TaskFinding("error", name, message)
    labels = sorted({label for inventory in inventories for label in inventory})
    prompt = task.fewshot_context(test[0], 0)
    if unsaid := [label for label in labels if not _names(prompt, label)]:
        yield TaskFinding("warning", name, f"the prompt does not name the labels {unsaid}.")
    gold = {
        answer.rpartition(" <")[2].removesuffix(">") for doc in test for answer in doc["target"]
    }
    if labels and (unused := [label for label in labels if label not in gold]):
        yield TaskFinding("note", name, f"no item of these rows has the label {unused}.")


def _duplicate_findings(name: str, test: Sequence[Mapping[str, Any]]) -> Iterable[TaskFinding]:
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for doc in test:
        seen.setdefault(_normal(doc["input"]), []).append(doc)
    repeated = [docs for docs in seen.values() if len(docs) > 1]
    torn = [docs for docs in repeated if len({str(doc["target"]) for doc in docs}) > 1]
    if torn:
        first = [doc["id"] for doc in torn[0]]
        message = f"{len(torn)} inputs occur with different answers, first {first}."
        yield TaskFinding("warning", name, message)
    if len(repeated) > len(torn):
        first = [doc["id"] for doc in next(docs for docs in repeated if docs not in torn)]
        message = f"{len(repeated) - len(torn)} inputs occur more than once, first {first}."
        yield TaskFinding("note", name, message)


def _names(prompt: str, label: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(label)}(?!\w)", prompt, re.IGNORECASE) is not None


def _normal(text: str) -> str:
    return re.sub(r"\W+", " ", text).casefold().strip()
