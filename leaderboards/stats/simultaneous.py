"""Intervals that hold together: the picture of differences whose p is corrected.

An interval for one difference alone says less than its corrected p where many stand in a
table: among forty of them two miss the truth, and 0, by chance. So what is drawn holds for
all of a table's comparisons at once: every difference plus and minus one critical value of
its own standard errors, the value that the largest studentised deviation of any of them
stays below in 95 % of the resamples. The resamples are those of the differences, so what
moves together is not counted twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist

import numpy as np

from leaderboards.board import SIGNIFICANT, Interval
from leaderboards.stats.resampling import CONFIDENCE, SMALLEST, Floats, Z, still

_LEAST = 1e-6  # the last digit that a file has: an interval without 0 has none there either


@dataclass(frozen=True)
class Loose:
    """A difference before the others of its table are known.

    Attributes:
        alone: its interval, were it the only one.
        error: its standard error; 0 where its resamples stand still.
        units: documents behind it.
        low, high: the range of the statistic.
    """

    value: float
    alone: Interval
    error: float
    units: int
    low: float
    high: float


@dataclass
class Family:
    """The largest studentised deviation of any difference on each resample.

    `still` counts those whose resamples do not move; they are taken for independent
    normal deviates, which they are at most.
    """

    largest: Floats | None = None
    moving: int = 0
    still: int = field(default=0)

    def add(self, samples: Floats, value: float, units: int) -> None:
        """One more difference: (R,) its value on each resample, its value, its documents."""
        if still(samples, units):
            self.still += 1
            return
        self.moving += 1
        self._raise(np.abs(samples - value) / float(np.std(samples)))

    def take(self, other: Family) -> None:
        """All the differences of another family, of the same number of resamples."""
        self.moving += other.moving
        self.still += other.still
        if other.largest is not None:
            self._raise(other.largest)

    def _raise(self, deviations: Floats) -> None:
        if self.largest is None:
            self.largest = deviations
        else:
            self.largest = np.maximum(self.largest, deviations)

    def critical(self) -> float:
        """How many standard errors hold all differences in 95 % of cases.

        At most Bonferroni's for as many normal deviates: a few items that differ make
        resamples with a heavy tail, and both values hold.
        Source: Romano & Wolf 2005, Exact and approximate stepdown methods, 4.
        """
        from scipy import special

        count = self.moving + self.still
        if count < 2:
            return Z
        most = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * count))
        if self.largest is None:
            return most
        ordered = np.sort(self.largest)
        held = np.arange(1, len(ordered) + 1) / len(ordered)
        held *= special.erf(ordered / math.sqrt(2)) ** self.still
        place = int(np.searchsorted(held, CONFIDENCE))
        found = float(ordered[place]) if place < len(ordered) else most
        return min(max(found, Z), most)


def together(found: Loose, critical: float, p_corrected: float) -> Interval:
    """The interval of a difference that holds with those of its family.

    Never narrower than the interval alone, and without 0 exactly where the corrected p is
    below 0.05. Interval and test are two ways to ask, and near the limit they can part:
    then the end nearer to 0 is that which the test's p implies (Altman & Bland 2011), or 0.
    """
    span = found.alone
    if critical > Z:
        if found.error < SMALLEST or found.units < 2:
            share = critical**2 / (found.units + critical**2)
            below, above = share * (found.value - found.low), share * (found.high - found.value)
        else:
            below = above = _wider(critical, found.units) * found.error
        span = Interval(
            max(found.low, min(span.low, found.value - below)),
            min(found.high, max(span.high, found.value + above)),
        )
    return agreeing(span, found.value, p_corrected)


def agreeing(span: Interval, value: float, p_corrected: float) -> Interval:
    """An interval that has 0 in it if and only if the corrected p is not below 0.05."""
    if p_corrected >= SIGNIFICANT:
        return Interval(min(span.low, 0.0), max(span.high, 0.0))
    if not span.low <= 0 <= span.high or not value:
        return span
    implied = -NormalDist().inv_cdf(max(p_corrected, 1e-300) / 2)
    near = max(abs(value) * (1 - Z / implied), min(abs(value), _LEAST))
    return Interval(near, span.high) if value > 0 else Interval(span.low, -near)


@cache
def _wider(critical: float, units: int) -> float:
    """The critical value for few units, as `resampling.interval` widens a single interval."""
    from scipy import stats

    quantile = stats.t.isf(stats.norm.sf(critical), units - 1)
    return float(quantile) * math.sqrt(units / (units - 1))
