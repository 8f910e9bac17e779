"""How sure a number is: resampling by document, paired tests, corrections.

Everything is deterministic: random streams are seeded from names (task,
version, ...), never from the clock or from an order of records, and read as raw
64-bit words, so another numpy gives the same resamples.

Arrays: R resamples, C documents (clusters of items), n items.
docs/statistics.md says which question each function answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
POWER = 0.80  # for the smallest detectable difference; the convention since Cohen 1988
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_Z_POWER = NormalDist().inv_cdf(POWER)
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


def coin_flips(name: str, documents: int, start: int, stop: int) -> Floats:
    """0 or 1 for each document in resamples `start` to `stop`, fair, independent: (R, C)."""
    words = math.ceil(documents / _WORD)
    bits = stream("flips", name).advance(start * words)
    raw = np.asarray(bits.random_raw((stop - start) * words), dtype="<u8")
    flips = np.unpackbits(raw.view(np.uint8)).reshape(stop - start, words * _WORD)
    return flips[:, :documents].astype(np.float64)


@dataclass(frozen=True)
class Interval:
    """A confidence interval at `CONFIDENCE`."""

    low: float
    high: float


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
    if units < 2 or float(np.ptp(samples)) < 1e-12:
        share = _Z**2 / (units + _Z**2)
        return Interval(estimate - share * (estimate - low), estimate + share * (high - estimate))
    expanded = _expanded_tail(units)
    lower, upper = np.quantile(samples, [expanded, 1 - expanded])
    return Interval(max(low, float(lower)), min(high, float(upper)))


@cache
def _expanded_tail(units: int) -> float:
    """The tail left out at each end, 0.025 for many units, less for few."""
    from scipy import stats

    quantile = stats.t.ppf((1 - CONFIDENCE) / 2, units - 1) * math.sqrt(units / (units - 1))
    return float(stats.norm.cdf(quantile))


def randomisation_p(observed: float, null: Floats) -> float:
    """Two-sided p of a paired randomisation test.

    `null` holds the difference after the two models' answers were exchanged
    document by document with probability 1/2 (`coin_flips`). The observed
    arrangement counts among them, so p is never 0. R draws cannot show p below
    1/(R+1), too coarse for a table of hundreds of comparisons; there Hoeffding's
    bound for sign-flipped sums takes over, which for means is never smaller than
    the exact p (for micro-F1, nearly linear in the counts, approximately so).

    Source: Noreen 1989; Phipson & Smyth 2010 (never zero); Hoeffding 1963, th. 2.
    """
    extreme = int(np.count_nonzero(np.abs(null) >= abs(observed) - 1e-12))
    counted = (1 + extreme) / (1 + null.size)
    if extreme:
        return min(1.0, counted)
    variance = float(np.mean(np.square(null)))
    return min(counted, 2 * math.exp(-(observed**2) / (2 * variance))) if variance else counted


def normal_p(observed: float, samples: Floats) -> float:
    """Two-sided p of a difference from the spread of its bootstrap resamples."""
    error = float(np.std(samples))
    return 1.0 if error < 1e-12 else math.erfc(abs(observed) / error / math.sqrt(2))


def mcnemar_p(first: Floats, second: Floats) -> float:
    """Exact McNemar test of two models' 0/1 scores on the same independent items."""
    from statsmodels.stats.contingency_tables import mcnemar

    both = [
        [int(np.sum((first == row) & (second == column))) for column in (1, 0)] for row in (1, 0)
    ]
    if both[0][1] + both[1][0] == 0:
        return 1.0
    return float(mcnemar(both, exact=True).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for the number of comparisons in the table (Holm 1979).

    Not statsmodels' `multipletests`: that collects garbage on each call, which
    takes as long as a whole column when the records of a large board are in memory.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]


def detectable(samples: Floats) -> float | None:
    """Smallest true difference a paired test on this many documents finds in 80% of cases.

    (z[0.975] + z[0.80]) times the standard error of the difference; None where
    the two models never differ and the error cannot be estimated.
    """
    error = float(np.std(samples))
    return None if error < 1e-12 else error * (_Z + _Z_POWER)


def rank_ranges(estimates: Sequence[float], samples: Floats) -> list[tuple[int, int]]:
    """First and last rank each model may hold, given what differs significantly.

    A model's best rank is one more than the number of models significantly better
    than it, its worst the number of models minus those significantly worse. Each
    pair is compared by its studentised difference, all pairs Holm-corrected: the
    ranges hold for all models at once.

    Args:
        estimates: one value per model, higher is better.
        samples: (models, R) the same resamples for all models.
    Source: Mogstad, Romano, Shaikh & Wilhelm 2024, Inference for Ranks.
    """
    from scipy import stats

    count = len(estimates)
    if count < 2:
        return [(1, 1)] * count
    first, second = np.triu_indices(count, 1)
    values = np.asarray(estimates)
    covariance = np.cov(samples)
    spread = np.diag(covariance)
    error = np.sqrt(
        np.maximum(spread[first] + spread[second] - 2 * covariance[first, second], 1e-18)
    )
    gap = values[first] - values[second]
    p_values = np.where(np.abs(gap) < 1e-12, 1.0, 2 * stats.norm.sf(np.abs(gap) / error))
    clear = np.asarray(holm(p_values.tolist())) < 1 - CONFIDENCE
    winners = np.where(gap > 0, first, second)[clear]
    losers = np.where(gap > 0, second, first)[clear]
    better = np.bincount(losers, minlength=count)
    worse = np.bincount(winners, minlength=count)
    return [(1 + int(better[k]), count - int(worse[k])) for k in range(count)]
