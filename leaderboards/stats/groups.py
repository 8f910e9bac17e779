"""A group's own score, as lm-eval averages it over the group's tasks.

Its tasks are weighted by their items, or alike (`weight_by_size`). The interval resamples
documents within each task; the tasks stay. It stands beside the board's own average,
which is unweighted, over the tasks that the board shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from harness.suites.metrics import unit_of
from harness.types import Json, Record
from leaderboards.board import ByDraw, GroupScore, Interval, RecordTable, way_of
from leaderboards.records.rows import leaked_ids
from leaderboards.stats.resampling import Floats, interval
from leaderboards.stats.scores import documents_of, resample
from leaderboards.stats.sheet import sheet, whole_view
from tasks.aggregation import AGGREGATIONS

_Asked = tuple[str, bool, int]  # row, chat, limit
_Held = Mapping[str, Mapping[int, ByDraw]]  # task -> shots -> draws


def group_scores(sections: Sequence[RecordTable], resamples: int) -> tuple[GroupScore, ...]:
    """Every group of which a row has all tasks, asked with one number of shots, or each its own.

    A task is in a group whose name its records have: another suite's task of the same name is not.
    """
    held: dict[str, dict[_Asked, dict[str, dict[int, ByDraw]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(dict))
    )
    groups: dict[str, Json] = {}
    for section in sections:
        shots, chat, limit = section.setting
        for raw in section.columns:
            for label, draws in raw.cells.items():
                for record in draws.values():
                    for name, facts in record.manifest.get("groups", {}).items():
                        groups[name] = facts
                        held[name][label, chat, limit][raw.column.task][shots] = draws
    found: list[GroupScore] = []
    for name, group in sorted(groups.items()):
        for (label, chat, _), tasks in sorted(held[name].items()):
            if not set(group["tasks"]) <= set(tasks):
                continue
            for asked, how in _alike(group["tasks"], tasks):
                told = f"{how}{', chat template' if chat else ''}"
                for metric in group["metrics"]:
                    found += _scores(name, group, metric, label, asked, told, resamples)
    return tuple(found)


def _alike(names: Sequence[str], tasks: _Held) -> Iterator[tuple[Mapping[str, ByDraw], str]]:
    common = set.intersection(*(set(tasks[name]) for name in names))
    for shots in sorted(common):
        yield {name: tasks[name][shots] for name in names}, f"{shots}-shot"
    if not common and all(len(tasks[name]) == 1 for name in names):
        yield {name: next(iter(tasks[name].values())) for name in names}, "each its own shots"


def _scores(
    name: str,
    group: Json,
    metric: Json,
    label: str,
    asked: Mapping[str, ByDraw],
    told: str,
    resamples: int,
) -> Iterator[GroupScore]:
    records = {task: draws[min(draws)] for task, draws in asked.items()}
    filters = metric["filters"] or _filters(metric["metric"], records.values())
    for filtered in filters:
        label_of = metric["metric"] if filtered == "none" else f"{metric['metric']},{filtered}"
        # As in lm-eval: a task that lacks the metric does not count; one twice in it counts twice.
        names = [task for task in group["tasks"] if _value(records[task], label_of) is not None]
        if not names:
            continue
        sizes = [float(records[task].summary["n_scored"]) for task in names]
        weights = sizes if metric["weight_by_size"] else [1.0] * len(names)
        values = [float(_value(records[task], label_of) or 0.0) for task in names]
        # In lm-eval's order of adding, so that the last digit is its own.
        score = sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
        facts = [records[task].manifest["metrics"][label_of] for task in names]
        unit = unit_of(facts)
        span, documents = None, 0
        if unit == "share":
            span, documents = _interval(names, records, label_of, weights, score, resamples)
        yield GroupScore(
            group=name,
            alias=str(group["alias"]),
            version=str(group["version"]),
            metric=label_of,
            weighted=bool(metric["weight_by_size"]),
            label=label,
            asked=told,
            score=score,
            interval=span,
            tasks=len(names),
            n=int(sum(sizes)),
            documents=documents,
            unit=unit,
            missing=max(_missing(records[task]) for task in names),
            leaked=sum(len(leaked_ids(records[task])) for task in set(names)),
        )


def _missing(record: Record) -> float:
    """The share of a record's items without a score."""
    n = int(record.summary["n"])
    return (n - int(record.summary["n_scored"])) / n if n else 0.0


def _filters(metric: str, records: Iterable[Record]) -> list[str]:
    """The filters with which the tasks have the metric, as lm-eval finds them."""
    found = set()
    for record in records:
        for label in record.summary["metrics"]:
            name, _, filtered = label.partition(",")
            if name == metric:
                found.add(filtered or "none")
    return sorted(found)


def _value(record: Record, label: str) -> float | None:
    value = record.summary["metrics"].get(label)
    return None if value is None else float(value)


def _interval(
    names: Sequence[str],
    records: Mapping[str, Record],
    label: str,
    weights: Sequence[float],
    score: float,
    resamples: int,
) -> tuple[Interval | None, int]:
    """By resampling documents within tasks; None where a task's metric cannot be resampled."""
    total: Floats = np.zeros(resamples)
    documents = 0
    for task, weight in zip(names, weights, strict=True):
        record = records[task]
        aggregation = str(record.manifest["metrics"][label]["aggregation"])
        if aggregation not in AGGREGATIONS:
            return None, 0
        try:
            # Tasks are resampled apart from each other, and from the board's own columns.
            table = sheet({"row": {way_of(record): record}}, label, f"group|{task}")
        except (TypeError, ValueError, IndexError, OverflowError):
            table = None
        view = whole_view(table, "row") if table is not None else None
        if table is None or view is None:
            return None, 0
        total += weight * resample(table, [view], resamples)[view]
        documents += documents_of(view)
    return interval(total / sum(weights), score, documents), documents
