"""Intervals of a whole table: together they hold as often as stated, and agree with its p."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.board import Interval
from leaderboards.stats.resampling import Z, interval
from leaderboards.stats.simultaneous import Family, Loose, agreeing, together

SETS, COMPARISONS, DOCUMENTS, RESAMPLES = 600, 10, 60, 500
TRUTH = 3.0  # far from 0: what is seen is the interval, not where the test moves its end


def family_of(samples, values, units=1_000):
    family = Family()
    for drawn, value in zip(samples, values, strict=True):
        family.add(drawn, value, units)
    return family


def test_one_comparison_needs_no_more_than_its_own_interval():
    drawn = np.random.default_rng(0).normal(0.1, 0.03, 4_000)
    assert family_of([drawn], [0.1]).critical() == Z
    alone = Interval(0.04, 0.16)
    assert together(Loose(0.1, alone, 0.03, 50, -1.0, 1.0), Z, 0.001) == alone


def test_independent_comparisons_need_sidaks_value_and_equal_ones_that_of_one():
    rng = np.random.default_rng(1)
    apart = rng.normal(0, 1, (10, 50_000))
    sidak = NormalDist().inv_cdf((1 + 0.95**0.1) / 2)
    assert family_of(apart, [0.0] * 10).critical() == pytest.approx(sidak, abs=0.03)
    same = family_of([apart[0]] * 10, [0.0] * 10).critical()
    assert same == pytest.approx(Z, abs=0.03)


def test_comparisons_that_stand_still_count_as_independent_ones():
    rng = np.random.default_rng(2)
    family = family_of([*rng.normal(0, 1, (4, 50_000)), *np.zeros((6, 50_000))], [0.0] * 10)
    assert (family.moving, family.still) == (4, 6)
    sidak = NormalDist().inv_cdf((1 + 0.95**0.1) / 2)
    assert family.critical() == pytest.approx(sidak, abs=0.03)
    assert family_of(np.zeros((10, 100)), [0.0] * 10).critical() == pytest.approx(
        NormalDist().inv_cdf(1 - 0.0025)  # Bonferroni's
    )


def test_a_heavy_tail_asks_for_no_more_than_bonferronis_value():
    heavy = np.random.default_rng(3).poisson(0.2, (10, 20_000)).astype(float)
    most = NormalDist().inv_cdf(1 - 0.0025)
    assert family_of(heavy, [0.2] * 10).critical() == pytest.approx(most)


def test_a_familys_parts_add_up_in_any_order():
    drawn = np.random.default_rng(4).normal(0, 1, (6, 300))
    whole = family_of(drawn, [0.0] * 6)
    parts = Family()
    for some in (drawn[4:], drawn[:1], drawn[1:4]):
        parts.take(family_of(some, [0.0] * len(some)))
    assert parts.critical() == whole.critical()


def test_all_intervals_of_a_table_hold_in_95_percent_of_tables():
    """Ten differences of 60 documents each; half of them come from the same documents."""
    rng = np.random.default_rng(5)
    held, alone = [], []
    for _ in range(SETS):
        shared = rng.normal(0, 1, DOCUMENTS)
        data = rng.normal(0, 1, (COMPARISONS, DOCUMENTS))
        data[::2] = 0.7 * shared + 0.5 * data[::2]
        data += TRUTH
        weights = rng.multinomial(DOCUMENTS, np.full(DOCUMENTS, 1 / DOCUMENTS), RESAMPLES)
        samples = (weights @ data.T / DOCUMENTS).T
        values = data.mean(axis=1)
        critical = family_of(samples, values, DOCUMENTS).critical()
        spans = [interval(s, v, DOCUMENTS, -9.0, 9.0) for s, v in zip(samples, values, strict=True)]
        loose = [
            Loose(v, span, float(np.std(s)), DOCUMENTS, -9.0, 9.0)
            for s, v, span in zip(samples, values, spans, strict=True)
        ]
        wide = [together(one, critical, 1e-9) for one in loose]
        held.append(all(span.low <= TRUTH <= span.high for span in wide))
        alone.append(all(span.low <= TRUTH <= span.high for span in spans))
        assert all(w.low <= s.low and w.high >= s.high for w, s in zip(wide, spans, strict=True))
    print("tables of ten: all hold together", np.mean(held), "alone", np.mean(alone))
    assert np.mean(held) >= 0.95 - 2 * 0.0089  # two standard errors of 600 tables
    assert np.mean(alone) < 0.85  # what the wider intervals are for


@given(
    st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 0.5),
    st.one_of(st.floats(1e-12, 1), st.floats(0.0499, 0.0501)),
)  # fmt: skip
def test_an_interval_is_without_0_exactly_where_the_corrected_p_is_below_5_percent(
    value, below, above, p
):
    found = agreeing(Interval(value - below, value + above), value, p)
    low, high = round(found.low, 6), round(found.high, 6)
    if abs(value) >= 1e-5:
        assert (low > 0 or high < 0) == (p < 0.05)
    assert found.low <= value <= found.high


def test_the_end_that_a_test_implies_is_that_of_the_normal_interval():
    """A z test of 2.5 standard errors: p 0.0124, and the interval of it ends at 0.54 of them."""
    p = 2 * NormalDist().cdf(-2.5)
    found = agreeing(Interval(-0.1, 5.1), 2.5, p)
    assert found == Interval(pytest.approx(2.5 - Z), 5.1)
