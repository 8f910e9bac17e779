"""How sure a number is: resampling by document, paired tests, corrections.

Everything is deterministic: random streams are seeded from names (task,
version, ...), never from the clock or from an order of records, and read as raw
64-bit words, so another numpy gives the same resamples.

Arrays: R resamples, C documents (clusters of items), n items.
docs/statistics.md says which question each function answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaderboards.board import Interval

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
SMALLEST = 1e-12  # below this a spread is the rounding of sums
UNIT = 2.0**16  # the mean of a document's weight
_WORD = 64  # coin flips in a raw word


def stream(*names: object) -> np.random.PCG64:
    """A random bit stream that depends on `names` alone."""
    text = "\x1f".join(str(name) for name in names)
    return np.random.PCG64(int.from_bytes(sha256(text.encode()).digest()[:16], "big"))


def bootstrap_weights(name: str, documents: int, start: int, stop: int) -> Floats:
    """How often each document is drawn in resamples `start` to `stop`: (R, C).

    Rows sum to C. Two models resampled under one name see the same documents:
    their difference is paired. A resample is the same however the range is cut.
    """
    bits = stream("bootstrap", name).advance(start * documents)
    raw = np.asarray(bits.random_raw((stop - start) * documents), dtype=np.uint64)
    drawn = (raw % np.uint64(documents)).astype(np.int64).reshape(stop - start, documents)
    drawn += (np.arange(stop - start) * documents)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=drawn.size)
    return counts.reshape(drawn.shape).astype(np.float64)


def document_weights(name: str, documents: int, start: int, stop: int) -> Floats:
    """How much each document counts in resamples `start` to `stop`: (R, C), whole numbers.

    Exponential with mean `UNIT`, never 0: unlike `bootstrap_weights` no resample is without
    a document, nor without a label that few documents have.
    Source: Rubin 1981, The Bayesian bootstrap; Xu et al. 2020, Applications of the
        fractional-random-weight bootstrap.
    """
    bits = stream("weights", name).advance(start * documents)
    drawn = _exponential(np.asarray(bits.random_raw((stop - start) * documents)))
    return drawn.reshape(stop - start, documents)


def further_weights(name: str, documents: int, start: int, stop: int) -> tuple[Floats, Floats]:
    """The weight of further documents, split into what is right and what is wrong: 2 x (R, C).

    Each weighs as much as one of `document_weights` and is split by the arcsine law, so that
    both parts are of a gamma distribution with shape 1/2 and independent: Jeffreys' prior of
    the share that is right.
    """
    bits = stream("further", name).advance(2 * start * documents)
    raw = np.asarray(bits.random_raw(2 * (stop - start) * documents))
    both = raw.reshape(stop - start, documents, 2)
    weights = _exponential(both[..., 0])
    right = np.rint(weights * np.square(np.cos(2 * np.pi * _uniform(both[..., 1]))))
    return right, weights - right


def _uniform(raw: Any) -> Floats:
    """Raw words as numbers from 0 to 1, 1 left out."""
    found: Floats = (raw >> np.uint64(11)) * 2.0**-53
    return found


def _exponential(raw: Any) -> Floats:
    """Raw words as whole numbers of an exponential distribution: sums of them are exact."""
    found: Floats = np.floor(-np.log1p(-_uniform(raw)) * UNIT) + 1
    return found


def coin_flips(name: str, documents: int, start: int, stop: int) -> Floats:
    """0 or 1 for each document in resamples `start` to `stop`, fair, independent: (R, C)."""
    words = math.ceil(documents / _WORD)
    bits = stream("flips", name).advance(start * words)
    raw = np.asarray(bits.random_raw((stop - start) * words), dtype="<u8")
    flips = np.unpackbits(raw.view(np.uint8)).reshape(stop - start, words * _WORD)
    return flips[:, :documents].astype(np.float64)


def interval(
    samples: Floats, estimate: float, units: int, low: float = 0.0, high: float = 1.0
) -> Interval:
    """The expanded percentile interval of a bootstrap distribution.

    The plain percentile interval is too narrow for few units: its tails are
    moved out as far as Student's t is wider than the normal and the sample's
    spread smaller than the population's. Where every resample gives the same
    value (0 of 24 right) resampling says nothing; then the interval is Wilson's
    for `units` trials without a single deviation.

    Args:
        samples: (R,) the statistic on each resample.
        estimate: the statistic on the data themselves.
        units: independent units resampled (documents, or tasks).
        low, high: the range of the statistic.
    Source: Hesterberg 2015, What Teachers Should Know About the Bootstrap, 5.1;
        Wilson 1927.
    """
    if still(samples, units):
        share = unseen_share(units)
        return Interval(estimate - share * (estimate - low), estimate + share * (high - estimate))
    expanded = _expanded_tail(units)
    lower, upper = np.quantile(samples, [expanded, 1 - expanded])
    # Where all of a rare label were right, further documents only draw the resamples down;
    # the score itself is never outside (Brown, Cai & DasGupta 2001, 4.1).
    return Interval(max(low, min(float(lower), estimate)), min(high, max(float(upper), estimate)))


def still(samples: Floats, units: int) -> bool:
    """Whether resampling says nothing of the spread: one unit, or every resample the same."""
    return units < 2 or float(np.ptp(samples)) < SMALLEST


def unseen_share(units: Any) -> Any:
    """How much of the way to its bound a score may lie off that `units` trials gave unanimously.

    Of a number or an array of them.
    Source: Wilson 1927, for no deviation in `units`.
    """
    return Z**2 / (units + Z**2)


@dataclass
class Unseen:
    """What a mean over tasks may be off by tasks whose resamples do not move.

    Their score may be off all the same (0 of 24 right may be 10 % right), and what
    does not move would make the mean look surer than its parts are. k such tasks of n
    documents are as good as one of k n documents: none of these deviated. With
    different n the smallest counts.
    """

    tasks: int = 0
    fewest: int = 0
    below: float = 0.0
    above: float = 0.0

    def add(self, value: float, units: int, low: float, high: float) -> None:
        """One more such task, whose score `value` lies in `low` to `high`."""
        self.fewest = min(units, self.fewest) if self.tasks else units
        self.tasks += 1
        self.below += value - low
        self.above += high - value

    def widened(self, found: Interval, estimate: float, count: int) -> Interval:
        """The interval of a mean over `count` tasks, these among them.

        Lengths to either side add in squares, as those of independent estimates do
        (Zou & Donner 2008, the method of variance estimates recovery).
        """
        if not self.tasks:
            return found
        share = unseen_share(self.tasks * self.fewest) / count
        return Interval(
            estimate - math.hypot(estimate - found.low, self.below * share),
            estimate + math.hypot(found.high - estimate, self.above * share),
        )

    def error(self, count: int) -> float:
        """The same as a standard error of the mean over `count` tasks."""
        if not self.tasks:
            return 0.0
        share = float(unseen_share(self.tasks * self.fewest))
        return max(self.below, self.above) * share / count / Z


@cache
def _expanded_tail(units: int) -> float:
    """The tail left out at each end, 0.025 for many units, less for few."""
    from scipy import stats

    quantile = stats.t.ppf((1 - CONFIDENCE) / 2, units - 1) * math.sqrt(units / (units - 1))
    return float(stats.norm.cdf(quantile))


@dataclass(frozen=True)
class Levels:
    """A number in each wording or of each make: (levels,), and on each resample: (R, levels).

    Documents are resampled; of two or three wordings or makes no resample tells enough. Their
    part is a variance: the spread between them, less what the same items would make of it,
    divided by their number, with as many degrees of freedom as there are levels but one.
    Lengths of intervals add in squares, each with the t quantile of its own degrees of freedom.
    Where a number is of one wording or make nothing is added, and it holds for that one.
    Source: Zou & Donner 2008 (variance estimates recovery); Satterthwaite 1946; Owen 2007, The
        pigeonhole bootstrap (documents and levels are crossed).

    `names` says which levels: numbers of the same levels can be subtracted and added.
    """

    names: tuple[object, ...]
    values: Floats
    samples: Floats

    def minus(self, other: Levels) -> Levels:
        """The difference at each level."""
        return Levels(self.names, self.values - other.values, self.samples - other.samples)

    def plus(self, other: Levels) -> Levels:
        """The sum at each level."""
        return Levels(self.names, self.values + other.values, self.samples + other.samples)

    def extra(self, share: float = 1.0) -> Extra:
        """What the levels add to the mean over them, times `share`."""
        count = len(self.values)
        off = self.values - self.values.mean()
        moved = self.samples - self.samples.mean(axis=1, keepdims=True)
        noise = float(np.var(moved, axis=0).sum()) / (count - 1)
        spread = max(0.0, float(np.square(off).sum()) / (count - 1) - noise)
        return Extra(share**2 * spread / count, count - 1)


@dataclass(frozen=True)
class Extra:
    """A variance beside that of the items, and its degrees of freedom; none without levels."""

    variance: float = 0.0
    freedom: float = 1.0

    def __bool__(self) -> bool:
        return self.variance > 0

    @property
    def length(self) -> float:
        """How far the mean may be off to either side by this alone."""
        return _quantile(self.freedom) * math.sqrt(self.variance)

    @property
    def error(self) -> float:
        """The standard error with which a normal interval would be as long."""
        return self.length / Z

    def widened(self, found: Interval, estimate: float, low: float, high: float) -> Interval:
        """An interval of other items that is one of other items and levels; within low..high."""
        if not self.variance:
            return found
        return Interval(
            max(low, estimate - math.hypot(estimate - found.low, self.length)),
            min(high, estimate + math.hypot(found.high - estimate, self.length)),
        )


NO_EXTRA = Extra()


def total(extras: Iterable[Extra]) -> Extra:
    """Independent variances added up."""
    found = [extra for extra in extras if extra.variance]
    variance = sum(extra.variance for extra in found)
    if not variance:
        return NO_EXTRA
    squares = sum(extra.variance**2 / extra.freedom for extra in found)
    return Extra(variance, variance**2 / squares)


@cache
def _quantile(freedom: float) -> float:
    from scipy import stats

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
