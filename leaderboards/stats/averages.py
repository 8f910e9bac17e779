"""The average over tasks, its two intervals, its rank and its differences.

"These tasks": items and draws are resampled, the tasks stay. "Tasks like
these": the tasks are resampled. There the items stay as they are, because the
spread between tasks already contains their noise; drawing them too would count
it twice (Davison & Hinkley 1997, Bootstrap Methods, 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from leaderboards.board import Average, Cell, Difference, Interval
from leaderboards.stats.columns import Pair, ScoredColumn, surely_apart, tied
from leaderboards.stats.opened import TIE, OpenColumn, most_unlike
from leaderboards.stats.resampling import (
    Extra,
    Floats,
    Levels,
    Unseen,
    Z,
    bootstrap_weights,
    interval,
    still,
    total,
    unseen_share,
)
from leaderboards.stats.significance import (
    crossed_p,
    detectable,
    holm,
    randomisation_p,
    rank_ranges,
)
from leaderboards.stats.simultaneous import Family, Loose, together

# Fewer tasks say too little about other tasks of their kind for an interval.
TASKS_TO_GENERALISE = 5


@dataclass
class _Mean:
    """One number's mean over tasks, added up task by task.

    `samples` are of all tasks; `moving` of those whose resamples are centred on their value.
    The other tasks (`resampling.further_weights`) add the lengths of their own intervals in
    squares, `looseness` times as long (Zou & Donner 2008). Wordings are each task's own, makes
    the same for all tasks.
    """

    samples: Floats
    moving: Floats
    null: Floats
    low: float
    values: list[float] = field(default_factory=list)
    unseen: Unseen = field(default_factory=Unseen)
    documents: list[int] = field(default_factory=list)
    n: int = 0
    leaks: int = 0
    draws: set[int] = field(default_factory=set)
    wordings: set[int] = field(default_factory=set)
    below: float = 0.0
    above: float = 0.0
    levels: list[list[Levels]] = field(default_factory=list)

    def add(
        self,
        value: float,
        samples: Floats,
        documents: int,
        looseness: float,
        levels: Sequence[Levels],
    ) -> None:
        self.values.append(value)
        self.documents.append(documents)
        self.levels.append(list(levels))
        if still(samples, documents):
            self.unseen.add(value, documents, self.low, 1.0)
        if looseness == 1:
            self.samples += samples
            self.moving += samples
            return
        self.samples += value + looseness * (samples - samples.mean())
        self.moving += value
        if not still(samples, documents):
            own = interval(samples, value, documents, self.low)
            self.below += (looseness * (value - own.low)) ** 2
            self.above += (looseness * (own.high - value)) ** 2

    @property
    def value(self) -> float:
        return float(np.mean(self.values))

    def interval(self) -> Interval:
        count, value = len(self.values), self.value
        samples = self.moving / count
        if float(np.ptp(samples)) < TIE:
            found = Interval(value, value)
        else:
            found = interval(samples, value, self.units, low=self.low)
        if self.below or self.above:
            found = Interval(
                value - math.hypot(value - found.low, math.sqrt(self.below) / count),
                value + math.hypot(found.high - value, math.sqrt(self.above) / count),
            )
        wide = self.unseen.widened(found, value, count)
        wide = Interval(max(self.low, wide.low), min(1.0, wide.high))
        return self.extra().widened(wide, value, self.low, 1.0)

    def extra(self) -> Extra:
        """What other wordings and makes add to the mean."""
        count = len(self.values)
        apart, makes = [], dict[tuple[object, ...], list[Levels]]()
        for levels in self.levels:
            for entry in levels:
                if isinstance(entry.names[0], str):  # a model's makes
                    makes.setdefault(entry.names, []).append(entry)
                else:
                    apart.append(entry.extra(1 / count))
        for same in makes.values():
            apart.append(reduce(Levels.plus, same).extra(1 / count))
        return total(apart)

    @property
    def units(self) -> int:
        return min(self.documents) * len(self.values)

    def error(self) -> float:
        """The mean's standard error, of these wordings and makes."""
        count = len(self.values)
        return math.hypot(float(np.std(self.samples / count)), self.unseen.error(count))

    def loose(self) -> Loose:
        """The mean of differences before the others of its table are known."""
        error = math.hypot(self.error(), self.extra().error)
        return Loose(self.value, self.interval(), error, self.units, self.low, 1.0)


class Averages:
    """The averages of a table, added up column by column.

    A row has one if it has every task that counts; it is ranked if it is ranked on
    each of them. `pairs` are the comparisons that each of those columns must bring.
    """

    def __init__(
        self, opened: Sequence[OpenColumn], others: Mapping[str, str], resamples: int
    ) -> None:
        counted = [column for column in opened if column.raw.column.in_average]
        shared = [set(column.whole) for column in counted]
        self.labels = sorted(set.intersection(*shared)) if len(counted) > 1 else []
        self._ranked = [label for label in self.labels if all(label in c.ranked for c in counted)]
        self._resamples = resamples
        totals = {r: float(np.mean([c.scores[r] for c in counted])) for r in self._ranked}
        top = max(totals.values(), default=0.0)
        best = self._best = [label for label in self._ranked if totals[label] >= top - TIE]
        self._to_best = {
            label: most_unlike(label, best, counted)
            for label in self.labels
            if best and label not in best and not any(label in c.floors for c in counted)
        }
        known = set(self.labels)
        self._to_base = {a: b for a, b in others.items() if {a, b} <= known}
        self.pairs: tuple[Pair, ...] = tuple(
            dict.fromkeys([*self._to_base.items(), *self._to_best.items()])
        )
        count = len(self._ranked)
        self._cells: list[Mapping[str, Cell]] = []
        self._means = {label: self._empty(0.0) for label in self.labels}
        self._gaps = {pair: self._empty(-1.0) for pair in self.pairs}
        self._spread = np.zeros(
            (3, count, count)
        )  # sums of gaps, variances; tasks that stand still
        self._fewest = np.full((count, count), 1_000_000_000)
        self._documents = 0

    def _empty(self, low: float) -> _Mean:
        samples, moving, null = (np.zeros(self._resamples) for _ in range(3))
        return _Mean(samples, moving, null, low)

    def add(self, scored: ScoredColumn) -> None:
        """One more column that counts."""
        if not self.labels:
            return
        self._cells.append(scored.cells)
        for label, mean in self._means.items():
            cell = scored.cells[label]
            mean.add(
                float(cell.score or 0.0),
                scored.samples[label],
                cell.documents,
                scored.looseness[label],
                scored.levels[label],
            )
        for pair, mean in list(self._gaps.items()):
            found = scored.contrasts.get(pair)
            if found is None:  # nothing that both answered: no difference of averages
                del self._gaps[pair]
                continue
            mean.add(found.value, found.samples, found.documents, found.looseness, found.levels)
            mean.null += found.null
            mean.n += found.n
            mean.leaks += found.leaks
            mean.draws.update(found.draws)
            mean.wordings.update(found.wordings)
        kept = [scored.spread.labels.index(label) for label in self._ranked]
        grid = np.ix_(kept, kept)
        gaps, variances = scored.spread.gaps[grid], np.maximum(scored.spread.variances[grid], 0.0)
        fixed = variances < TIE
        self._spread += np.stack([gaps, variances, fixed])
        documents = np.array([scored.cells[label].documents for label in self._ranked])
        fewer = np.minimum(documents[:, None], documents[None, :])
        self._fewest = np.where(fixed, np.minimum(self._fewest, fewer), self._fewest)
        self._documents += int(documents.min()) if len(documents) else 0

    def result(self) -> dict[str, Average]:
        """Each row's average."""
        if not self.labels:
            return {}
        count = len(self._cells)
        tasks = bootstrap_weights("tasks", count, 0, self._resamples) / count

        def beyond(values: Sequence[float], low: float) -> Interval | None:
            if count < TASKS_TO_GENERALISE:
                return None
            per_task = np.array(values)
            return interval(tasks @ per_task, float(per_task.mean()), count, low=low)

        result = {}
        for label, mean in self._means.items():
            gaps = {}
            for kind, others in (("difference", self._to_base), ("to_best", self._to_best)):
                gap = self._gaps.get((label, others.get(label, "")))
                if gap is not None:
                    gaps[kind] = _difference(others[label], gap)
                    if kind == "difference":
                        gaps[kind] = replace(gaps[kind], beyond=beyond(gap.values, -1.0))
            cells = [column[label] for column in self._cells]
            result[label] = Average(
                score=mean.value,
                interval=mean.interval(),
                beyond=beyond(mean.values, 0.0),
                rank=None,
                difference=gaps.get("difference"),
                to_best=gaps.get("to_best"),
                best=label in self._best,
                missing=max(cell.missing for cell in cells),
                bounds=_bounds(cells),
                leaked=sum(cell.leaked for cell in cells),
            )
        result = self._corrected(result)
        for label, rank in zip(self._ranked, self._ranks(count, result), strict=True):
            result[label] = replace(result[label], rank=rank)
        return result

    def _ranks(self, count: int, averages: Mapping[str, Average]) -> list[tuple[int, int]]:
        gaps, variances, fixed = self._spread
        unseen = fixed * unseen_share(fixed * self._fewest) / Z
        errors = np.sqrt(variances + np.square(unseen)) / count
        sure = surely_apart(self._ranked, averages)
        return rank_ranges(gaps / count, errors, self._documents, sure)

    def family(self) -> Family:
        """All differences of averages, a pair that stands in two places once."""
        family, seen = Family(), set()
        for pair, gap in self._gaps.items():
            if frozenset(pair) not in seen:
                seen.add(frozenset(pair))
                family.add(gap.samples / len(gap.values), gap.value, gap.units)
        return family

    def loose(self, pair: Pair) -> Loose:
        """The difference of two averages before the others of its table are known."""
        return self._gaps[pair].loose()

    def _corrected(self, averages: Mapping[str, Average]) -> dict[str, Average]:
        """Holm's correction over the averages' differences to the base, and to the best.

        Their intervals hold for both kinds at once.
        """
        result = dict(averages)
        critical = self.family().critical()
        for name in ("difference", "to_best"):
            held = {
                label: entry
                for label, average in result.items()
                if (entry := getattr(average, name)) is not None
            }
            ties = tied(averages) if name == "to_best" else 0
            corrected = holm([*(entry.p for entry in held.values()), *[1.0] * ties])
            for (label, entry), p in zip(held.items(), corrected, strict=False):
                span = together(self.loose((label, entry.other)), critical, p)
                found = replace(entry, p_holm=p, simultaneous=span)
                result[label] = replace(result[label], **{name: found})
        return result


def _bounds(cells: Sequence[Cell]) -> Interval | None:
    """The mean of the cells' bounds; None where a cell has missing answers and no bounds."""
    ends = []
    for cell in cells:
        if cell.missing and cell.bounds is None:
            return None
        score = float(cell.score or 0.0)
        ends.append((cell.bounds.low, cell.bounds.high) if cell.bounds else (score, score))
    low, high = np.mean(ends, axis=0)
    return Interval(float(low), float(high)) if any(cell.missing for cell in cells) else None


def _difference(other: str, mean: _Mean) -> Difference:
    count = len(mean.values)
    p, alone, extra = randomisation_p(mean.value, mean.null / count), mean.interval(), mean.extra()
    if extra:
        p = max(p, crossed_p(mean.value, mean.error(), extra))
    return Difference(
        other=other,
        value=mean.value,
        interval=alone,
        simultaneous=alone,
        p=p,
        p_holm=p,
        test="randomisation",
        detectable=detectable(
            mean.samples / count, math.hypot(mean.unseen.error(count), extra.error)
        ),
        n=mean.n,
        draws=tuple(sorted(mean.draws)),
        wordings=tuple(sorted(mean.wordings)),
        leaks=mean.leaks,
    )
