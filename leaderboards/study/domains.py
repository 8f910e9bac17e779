"""What specialising in one domain costs in another: one method's models on several suites."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.board import Difference, Row
from leaderboards.study.sources import Table


@dataclass(frozen=True)
class CrossRow:
    """A model specialised for `domain`, and its difference to its base on each suite."""

    model: str
    domain: str
    gaps: dict[str, Difference]


@dataclass(frozen=True)
class Cross:
    """Models of one method and base, in one way of asking."""

    base: str
    setting: str
    suites: tuple[str, ...]
    rows: tuple[CrossRow, ...]


def domain_of(row: Row, default: str) -> str:
    """The domain in a name `<specializer>@<domain>-<base>`; the default if it has none."""
    before = f"{row.specializer}@"
    if row.model.startswith(before) and row.model.endswith(f"-{row.base}"):
        return row.model[len(before) : -len(row.base) - 1]
    return default


def crosses(tables: Sequence[Table], method: str, default: str) -> list[Cross]:
    """Every base and setting with models of two domains, each scored on two suites or more.

    Suites are named by their tables. A row is one artifact: a model made twice under one
    name, with other settings, is two. Its score on a suite is that of the first board that has it.
    """
    found: dict[tuple[str, str], dict[tuple[str, str, str], dict[str, Difference]]] = {}
    for table in tables:
        for row in table.rows_of(method):
            gap = row.average.difference if row.average else None
            if gap is None:
                continue
            group = found.setdefault((row.base, table.section.title), defaultdict(dict))
            made = (row.model, row.artifact, domain_of(row, default))
            group[made].setdefault(table.suite, gap)
    result = []
    for (base, setting), models in found.items():
        rows = [
            CrossRow(model, domain, dict(gaps))
            for (model, _, domain), gaps in models.items()
            if len(gaps) > 1
        ]
        shared = set.intersection(*(set(row.gaps) for row in rows)) if rows else set()
        if len(shared) > 1 and len({row.domain for row in rows}) > 1:
            result.append(Cross(base, setting, tuple(sorted(shared)), tuple(rows)))
    return result
