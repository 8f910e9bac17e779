"""Board -> Hugging Face `.eval_results/*.yaml`, which the hub shows on a model's page.

A file a task and table, as the hub asks for variants of one benchmark. The hub
takes scores of registered benchmark data sets only, so a task needs one: its
own if it comes from the hub, else the one the caller names.
Source: https://huggingface.co/docs/hub/eval-results
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import yaml

from harness.files import fitting
from leaderboards.board import Board, Cell, in_points
from leaderboards.exchange.origin import cautions, hub_dataset
from leaderboards.shown import task_name
from tasks.cards import Card


@dataclass(frozen=True)
class EvalResults:
    """The files (name, text), and the tasks left out because no data set on the hub is theirs."""

    files: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Who states the results: `url` is where they can be read; without one the hub names nobody."""

    date: str  # of the export, ISO 8601
    url: str = ""
    name: str = ""
    organization: str = ""


def result_files(
    board: Board,
    cards: Mapping[str, Card],
    dataset: str,
    source: Source,
    identities: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> EvalResults:
    """Shares in points of 100, other values as they are, with interval and setting in the notes.

    Args:
        identities: digests of weights and artifact of each row, by its label.
        dataset: OWNER/NAME of the data set for tasks that are of none on the hub; "" leaves
            those out.
    """
    found = list(_entries(board, cards, dataset, source, identities))
    return EvalResults(
        tuple((name, text) for name, text in found if text),
        tuple(sorted({name for name, text in found if not text})),
    )


def _entries(
    board: Board,
    cards: Mapping[str, Card],
    dataset: str,
    source: Source,
    identities: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, str]]:
    """(file, text), or (task, "") for a task that is left out."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    for section in board.sections:
        for row in section.rows:
            for column, cell in zip(section.columns, row.cells, strict=True):
                if cell is None or cell.score is None:
                    continue
                hub = hub_dataset(cards.get(column.task)) or ((dataset, "") if dataset else None)
                if hub is None:
                    yield column.task, ""
                    continue
                notes = f"{section.title}; {column.metric}; task version {column.version}"
                notes += f"; n {cell.n_scored}{_interval(cell)}{cautions(cell)}"
                notes += "".join(f"; {of} {d}" for of, d in identities.get(row.label, {}).items())
                entry = EvalResultEntry(
                    dataset_id=hub[0],
                    task_id=column.task,
                    value=round(in_points(cell.score, cell.unit), 4),
                    dataset_revision=hub[1] or None,
                    date=source.date,
                    **_source(source),
                    notes=notes,
                )
                told = task_name(column, section.columns)
                name = _safe(f"{told}-v{column.version}-{section.title}")
                text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False)
                yield f"{_safe(row.label)}/.eval_results/{name}.yaml", text


def _source(source: Source) -> dict[str, str]:
    if not source.url:
        return {}
    told = {"source_url": source.url, "source_name": source.name, "source_org": source.organization}
    return {key: value for key, value in told.items() if value}


def _interval(cell: Cell) -> str:
    if cell.interval is None:
        return ""
    low, high = (in_points(end, cell.unit) for end in (cell.interval.low, cell.interval.high))
    return f"; 95% interval {low:.1f} to {high:.1f}"


def _safe(text: str) -> str:
    return fitting(re.sub(r"[^\w.-]+", "-", text).strip("-.") or "unnamed")
