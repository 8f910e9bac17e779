"""P-values, Holm's correction, detectable size, ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from leaderboards.stats.resampling import CONFIDENCE, Extra, Floats, Z

POWER = 0.80  # for the smallest detectable difference; the convention since Cohen 1988


_Z_POWER = NormalDist().inv_cdf(POWER)


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


def mcnemar_p(first: Floats, second: Floats) -> float:
    """Exact McNemar test of two models' 0/1 scores on the same independent items."""
    from scipy.special import bdtr

    better = int(np.count_nonzero((first == 1) & (second == 0)))
    worse = int(np.count_nonzero((first == 0) & (second == 1)))
    return min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))


def crossed_p(value: float, error: float, extra: Extra) -> float:
    """Two-sided p of a difference that other wordings and makes could have moved as well.

    Args:
        error: its standard error of other items.
    """
    from scipy import stats

    wide = math.hypot(error, extra.error)
    return float(2 * stats.norm.sf(abs(value) / wide)) if wide else 1.0


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


def detectable(samples: Floats, unseen: float = 0.0) -> float | None:
    """Smallest true difference a paired test on this many documents finds in 80% of cases.

    (z[0.975] + z[0.80]) times the standard error of the difference; None where
    the two models never differ and the error cannot be estimated.

    Args:
        unseen: the standard error that resamples do not show (`resampling.Unseen`).
    """
    error = math.hypot(float(np.std(samples)), unseen)
    return None if error < 1e-12 else error * (Z + _Z_POWER)


def rank_ranges(
    gaps: Floats,
    errors: Floats,
    documents: int,
    tested: Mapping[tuple[int, int], bool] | None = None,
) -> list[tuple[int, int]]:
    """First and last rank each model may hold, given what differs significantly.

    A model's best rank is one more than the number of models significantly better
    than it, its worst the number of models minus those significantly worse. Each
    pair is compared by its studentised difference, all pairs Holm-corrected: the
    ranges hold for all models at once. No p is below that of the exact test in which
    every document speaks for one of the two, 2^(1 - documents).

    Args:
        gaps: (models, models) each minus each on what both answered, higher is better.
        errors: (models, models) their standard errors.
        documents: the fewest behind a difference.
        tested: pairs, the lower place first, whose difference has a test of its own in the
            table, and whether it is significant there; that counts.
    Source: Mogstad, Romano, Shaikh & Wilhelm 2024, Inference for Ranks.
    """
    from scipy import stats

    count = len(gaps)
    if count < 2:
        return [(1, 1)] * count
    first, second = np.triu_indices(count, 1)
    gap, error = gaps[first, second], np.maximum(errors[first, second], 1e-9)
    least = 2.0 ** (1 - min(documents, 1_000))
    p_values = np.where(
        np.abs(gap) < 1e-12, 1.0, np.maximum(2 * stats.norm.sf(np.abs(gap) / error), least)
    )
    clear = np.asarray(holm(p_values.tolist())) < 1 - CONFIDENCE
    known = tested or {}
    for number, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if pair in known:
            clear[number] = known[pair] and gap[number] != 0
    winners = np.where(gap > 0, first, second)[clear]
    losers = np.where(gap > 0, second, first)[clear]
    better = np.bincount(losers, minlength=count)
    worse = np.bincount(winners, minlength=count)
    return [(1 + int(better[k]), count - int(worse[k])) for k in range(count)]
