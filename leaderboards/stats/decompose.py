"""How much of a gain is format, how much is knowledge.

A closed-label task is asked twice: the model writes the label, and, in the
task's ranking twin, the labels are ranked by likelihood. No output format helps
in the second: what a model gains there is knowledge, what it gains beyond that
in the first is format (answering in a form that parses, in the right register).
Both are measured on the same items and resampled together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from leaderboards.board import ByDraw, Part, RecordColumn
from leaderboards.stats.resampling import Extra, Floats, Levels, interval, total
from leaderboards.stats.scores import crossed, documents_of, resample, score_of
from leaderboards.stats.sheet import PairedItems, Selection, paired_views, sheet
from tasks.aggregation import AGGREGATIONS


def decompose(
    columns: Sequence[RecordColumn], others: Mapping[str, str], resamples: int
) -> dict[str, tuple[Part, ...]]:
    """Format and knowledge part of each gain, for rows compared with another row.

    Tasks without a ranking twin, or whose twin has no metric in common with them,
    have no parts.
    """
    written = [raw for raw in columns if raw.column.in_average]
    parts: dict[str, list[Part]] = {}
    for twin in columns:
        tasks = [raw for raw in written if raw.column.task == twin.column.rank_of]
        if not tasks:
            continue
        # A twin may stand in a suite of its own.
        task = next((t for t in tasks if t.column.suite == twin.column.suite), tasks[0])
        for label, part in _task_parts(task, twin, others, resamples).items():
            parts.setdefault(label, []).append(part)
    return {label: tuple(found) for label, found in parts.items()}


def _task_parts(
    task: RecordColumn, twin: RecordColumn, others: Mapping[str, str], resamples: int
) -> dict[str, Part]:
    metric = _common_metric(task, twin)
    if metric is None:
        return {}
    sheets = [
        sheet(_cells_with(raw.cells, metric), metric, task.column.task) for raw in (task, twin)
    ]
    written, ranked = sheets
    if written is None or ranked is None:
        return {}
    common = sorted(set(written.ids) & set(ranked.ids))
    if not common:
        return {}
    written, ranked = _only(written, common), _only(ranked, common)
    pairs: dict[str, list[tuple[Selection, Selection]]] = {}
    for label, other in others.items():
        if not all(name in table.answers for name in (label, other) for table in (written, ranked)):
            continue
        mask = np.logical_and.reduce(
            [table.answers[name].present for name in (label, other) for table in (written, ranked)]
        )
        both = [paired_views(table, label, other, mask) for table in (written, ranked)]
        if both[0] is not None and both[1] is not None:
            pairs[label] = [views for views in both if views is not None]
    samples = [
        resample(table, [view for views in pairs.values() for view in views[number]], resamples)
        for number, table in enumerate((written, ranked))
    ]
    held_at = [
        crossed(table, [view for views in pairs.values() for view in views[number]], resamples)
        for number, table in enumerate((written, ranked))
    ]
    result = {}
    for label, (wrote, rank) in pairs.items():
        gained, known = (
            held.gaps(*views) for held, views in zip(held_at, (wrote, rank), strict=True)
        )
        gain = score_of(written, wrote[0]) - score_of(written, wrote[1])
        knowledge = score_of(ranked, rank[0]) - score_of(ranked, rank[1])
        gains: Floats = samples[0][wrote[0]] - samples[0][wrote[1]]
        knows: Floats = samples[1][rank[0]] - samples[1][rank[1]]
        units = documents_of(wrote[0])
        result[label] = Part(
            task=task.column.task,
            ranking_task=twin.column.task,
            metric=metric,
            n=int(np.frombuffer(wrote[0].mask, dtype=np.bool_).sum()),
            gain=gain,
            gain_interval=total(entry.extra() for entry in gained).widened(
                interval(gains, gain, units, low=-1.0), gain, -1.0, 1.0
            ),
            format=gain - knowledge,
            format_interval=_apart(gained, known).widened(
                interval(gains - knows, gain - knowledge, units, low=-2.0, high=2.0),
                gain - knowledge,
                -2.0,
                2.0,
            ),
            knowledge=knowledge,
            knowledge_interval=total(entry.extra() for entry in known).widened(
                interval(knows, knowledge, units, low=-1.0), knowledge, -1.0, 1.0
            ),
        )
    return result


def _apart(gained: Sequence[Levels], known: Sequence[Levels]) -> Extra:
    """What wordings and makes add to gain minus knowledge: makes are the same, wordings are not."""
    same = {entry.names: entry for entry in known if isinstance(entry.names[0], str)}
    mine = [
        entry.minus(same.pop(entry.names)) if entry.names in same else entry for entry in gained
    ]
    rest = [entry for entry in known if entry.names in same or isinstance(entry.names[0], int)]
    return total(entry.extra() for entry in [*mine, *rest])


def _common_metric(task: RecordColumn, twin: RecordColumn) -> str | None:
    """The task's main metric if its twin has it too, else the first score both have."""
    names = [
        {
            name: str(facts["aggregation"])
            for name, facts in next(iter(next(iter(raw.cells.values())).values()))
            .manifest["metrics"]
            .items()
            if facts["aggregation"] in AGGREGATIONS and facts["higher_is_better"]
        }
        for raw in (task, twin)
    ]
    shared = [name for name in names[0] if names[1].get(name) == names[0][name]]
    wanted = [task.column.metric, twin.column.metric, *shared]
    return next((name for name in wanted if name in shared), None)


def _cells_with(cells: Mapping[str, ByDraw], metric: str) -> dict[str, ByDraw]:
    return {
        label: draws
        for label, draws in cells.items()
        if all(metric in record.manifest["metrics"] for record in draws.values())
    }


def _only(table: PairedItems, ids: Sequence[str]) -> PairedItems:
    """The sheet without other items."""
    kept = np.array([table.ids.index(name) for name in ids], dtype=np.int64)
    return replace(
        table,
        ids=tuple(ids),
        answers={
            label: replace(
                answers,
                summands=answers.summands[:, kept],
                documents=answers.documents[kept],
                present=answers.present[kept],
                leaked=answers.leaked[kept],
            )
            for label, answers in table.answers.items()
        },
    )
