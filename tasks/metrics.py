"""What the tasks' YAML names: one function per task shape, and the aggregations.

`process_results: !function tasks.metrics.<function>` gets a row and the
model's answer and returns one value per metric for that item: a number, or
counts for an aggregation to sum. An unparseable answer scores 0 everywhere
but in `box_f1`, which reads raw text, and is counted in `unparseable`.

Beside a main metric stands `<metric>_lenient`, the same read as kindly as can be: hyphens
as spaces, mentions of whatever type, the first label named. The gap between the two is what
form costs a model; for mentions `span_f1_strict` is the other end, where a type must be said
even if there is only one.

Rows are {"id", "input", "target", "labels", "meta"}; `target` is a string or a
list, `meta` a mapping or its JSON. `results` holds the generated text, or, for
the ranking functions, one (loglikelihood, is_greedy) pair per label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from harness.doors.files import parse_json
from harness.errors import UserError
from tasks.aggregation import AGGREGATIONS, f1, macro_f1, macro_f1_counts, mean_score, micro_f1
from tasks.mentions import Mention, loosely, parse_mentions, relaxed_span_counts, span_counts
from tasks.numbers import is_near, parse_number
from tasks.overlap import best_token_f1, box_f1, rouge_l, squad_normalise
from tasks.parsing import (
    all_labels,
    first_label,
    parse_label,
    parse_labels,
    parse_list,
    parse_span,
    parse_text,
)

__all__ = [
    "AGGREGATIONS",
    "answer_list",
    "factoid",
    "label",
    "long_answer",
    "macro_f1",
    "macro_f1_counts",
    "mean_score",
    "micro_f1",
    "multilabel",
    "ner",
    "number",
    "rank_label",
]

Row = Mapping[str, Any]
Values = dict[str, float | list[int]]


def ner(doc: Row, results: Sequence[str]) -> Values:
    """Entity mentions: exact (main), relaxed, strict and lenient span counts for `micro_f1`."""
    gold = [_gold_mention(doc, target) for target in _targets_or_none(doc)]
    types, sentence, known = doc["labels"], str(doc["input"]), [mention for mention, _ in gold]
    parsed = parse_mentions(results[0], types, sentence, known)
    # Read once more as if there were one type: then it need not be said.
    loose = parsed or parse_mentions(results[0], ("entity",), sentence, known)
    return {
        "span_f1": span_counts(gold, parsed or []),
        "span_f1_strict": span_counts(gold, parse_mentions(results[0], types) or []),
        "span_f1_lenient": span_counts(loosely(gold), loosely(loose or [])),
        "span_f1_relaxed": relaxed_span_counts(gold, parsed or []),
        "box_f1": box_f1(results[0], _targets(doc)),
        "unparseable": int(parsed is None),
    }


def label(doc: Row, results: Sequence[str]) -> Values:
    """One label of a closed inventory, written out: relation, yes/no, sentiment.

    `macro_f1` is [gold index, predicted index], -1 for an unparseable answer.
    """
    labels: Sequence[str] = doc["labels"]
    gold = _gold_label(doc)
    parsed = parse_label(results[0], labels)
    predicted = -1 if parsed is None else labels.index(parsed)
    first = first_label(results[0], labels)
    return {
        "acc": int(predicted == gold),
        "macro_f1": [gold, predicted],
        "macro_f1_lenient": [gold, -1 if first is None else labels.index(first)],
        "box_f1": box_f1(results[0], _targets(doc)),
        "unparseable": int(parsed is None),
    }


def rank_label(doc: Row, results: Sequence[tuple[float, bool]]) -> Values:
    """One label of a closed inventory, by loglikelihood: no format can help or hurt.

    The first of several equally likely labels is taken, and `tied` says so. A
    loglikelihood that is not a number makes the item unparseable: a model that
    yields NaN has not answered.
    """
    gold = _gold_label(doc)
    scores = [float(score) for score, _ in results]
    if len(scores) != len(doc["labels"]):
        raise ValueError(f"row {doc['id']}: {len(scores)} scores, {len(doc['labels'])} labels")
    broken = any(math.isnan(score) for score in scores)
    predicted = -1 if broken else scores.index(max(scores))
    return {
        "acc": int(predicted == gold),
        "macro_f1": [gold, predicted],
        "tied": int(not broken and scores.count(max(scores)) > 1),
        "unparseable": int(broken),
    }


def factoid(doc: Row, results: Sequence[str]) -> Values:
    """A short free answer; every target is accepted, after SQuAD's normalisation."""
    accepted = _targets(doc)
    parsed = parse_span(results[0])
    return {
        "exact_match": int(
            parsed is not None
            and squad_normalise(parsed) in {squad_normalise(one) for one in accepted}
        ),
        "token_f1": 0.0 if parsed is None else best_token_f1(parsed, accepted),
        "token_f1_lenient": 0.0
        if parsed is None
        else best_token_f1(_spaced(parsed), [_spaced(one) for one in accepted]),
        "box_f1": box_f1(results[0], accepted),
        "unparseable": int(parsed is None),
    }


def number(doc: Row, results: Sequence[str]) -> Values:
    """A number; every target is accepted, each to the last digit it states."""
    accepted = [value for one in _targets(doc) if (value := parse_number(one)) is not None]
    if not accepted:
        raise UserError(f"row {doc['id']}: no target is a number: {_targets(doc)}.")
    parsed = parse_number(results[0])
    return {
        "acc": int(parsed is not None and any(is_near(parsed, gold) for gold in accepted)),
        "box_f1": box_f1(results[0], _targets(doc)),
        "unparseable": int(parsed is None),
    }


def answer_list(doc: Row, results: Sequence[str]) -> Values:
    """A list of names, each with its synonyms (`meta.answer_groups`), compared as sets.

    A group counts once however many of its synonyms are given; an answer in no
    group is a false positive. `set_f1` holds counts for `micro_f1`; `list_f1` is
    the item's own F1, whose mean BioASQ reports.
    """
    groups: list[list[str]] = _meta(doc).get("answer_groups") or [[one] for one in _targets(doc)]
    names = [name for group in groups for name in group]
    parsed = parse_list(results[0], squad_normalise, known=names)
    counts = _group_counts(groups, parsed or ())
    spaced = [[_spaced(name) for name in group] for group in groups]
    return {
        "set_f1": counts,
        "set_f1_lenient": _group_counts(spaced, _once(map(_spaced, parsed or ()))),
        "list_f1": f1(*counts),
        "box_f1": box_f1(results[0], _targets(doc)),
        "unparseable": int(parsed is None),
    }


def long_answer(doc: Row, results: Sequence[str]) -> Values:
    """An answer of a sentence or more: ROUGE-L against the reference."""
    parsed = parse_text(results[0])
    return {
        "rougeL": 0.0 if parsed is None else rouge_l(parsed, _targets(doc)),
        "box_f1": box_f1(results[0], _targets(doc)),
        "unparseable": int(parsed is None),
    }


def multilabel(doc: Row, results: Sequence[str]) -> Values:
    """Any number of labels of a closed inventory, or `None`.

    `multilabel_macro_f1` is [tp, fp, fn] per label, one after the other.
    """
    labels: Sequence[str] = doc["labels"]
    gold = set(_targets_or_none(doc))
    if unknown := sorted(gold.difference(labels)):
        raise UserError(f"row {doc['id']}: target {unknown} is not among the labels {labels}")
    parsed = parse_labels(results[0], labels)
    counts = _label_counts(labels, gold, parsed or frozenset())
    lenient = _label_counts(labels, gold, all_labels(results[0], labels))
    return {
        "multilabel_micro_f1": [sum(column) for column in zip(*counts, strict=True)],
        "multilabel_micro_f1_lenient": [sum(column) for column in zip(*lenient, strict=True)],
        "multilabel_macro_f1": [count for of_label in counts for count in of_label],
        "box_f1": box_f1(results[0], _targets(doc)),
        "unparseable": int(parsed is None),
    }


def _label_counts(
    labels: Sequence[str], gold: Set[str], predicted: Set[str]
) -> list[tuple[int, int, int]]:
    """(tp, fp, fn) of each label."""
    return [
        (int(one in gold & predicted), int(one in predicted - gold), int(one in gold - predicted))
        for one in labels
    ]


def _spaced(text: str) -> str:
    return text.replace("-", " ")


def _once(answers: Iterable[str]) -> list[str]:
    """The answers of which each is the first of its normal form."""
    return list({squad_normalise(one): one for one in answers}.values())


def _targets(doc: Row) -> list[str]:
    """The gold answers as written: accepted answers, mentions or labels."""
    target = doc["target"]
    targets = [target] if isinstance(target, str) else list(target or [])
    if not targets:
        raise UserError(f"row {doc['id']}: no target; an empty answer is written 'None'")
    return targets


def _targets_or_none(doc: Row) -> list[str]:
    """The gold mentions or labels; [] for `None`, the empty answer."""
    targets = _targets(doc)
    return [] if targets == ["None"] else targets


def _meta(doc: Row) -> Mapping[str, Any]:
    meta = doc.get("meta") or {}
    found: Mapping[str, Any] = parse_json(meta) if isinstance(meta, str) else meta
    return found


def _gold_mention(doc: Row, target: str) -> Mention:
    mention, bracket, name = target.rpartition(" <")
    if not bracket or not name.endswith(">"):
        raise UserError(f"row {doc['id']}: target {target!r} is not of the form 'mention <Type>'")
    return mention, name.removesuffix(">")


def _gold_label(doc: Row) -> int:
    labels: list[str] = list(doc["labels"])
    targets = _targets(doc)
    if len(targets) != 1 or targets[0] not in labels:
        raise UserError(f"row {doc['id']}: target {targets} is not one of the labels {labels}")
    return labels.index(targets[0])


def _group_counts(groups: Sequence[Sequence[str]], answers: Sequence[str]) -> list[int]:
    """[groups named, answers in no group, groups not named]; groups sharing a name are one."""
    merged: list[set[str]] = []
    for group in groups:
        names = {squad_normalise(name) for name in group}
        same = [other for other in merged if other & names]
        merged = [other for other in merged if not other & names]
        merged.append(names.union(*same))
    keys = [squad_normalise(answer) for answer in answers]
    named = sum(any(key in names for key in keys) for names in merged)
    wrong = sum(all(key not in names for names in merged) for key in keys)
    return [named, wrong, len(merged) - named]
