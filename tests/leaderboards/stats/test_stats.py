"""Statistics against simulation with a known truth, and against other implementations."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from leaderboards.board import Interval
from leaderboards.stats.resampling import Unseen, bootstrap_weights, coin_flips, interval
from leaderboards.stats.significance import (
    detectable,
    holm,
    mcnemar_p,
    randomisation_p,
    rank_ranges,
)


def test_a_resample_takes_as_many_documents_as_there_are():
    weights = bootstrap_weights("x", 7, 0, 50)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


@pytest.mark.parametrize("draw", [bootstrap_weights, coin_flips])
def test_resamples_depend_on_the_name_alone_and_not_on_how_they_are_cut(draw):
    whole = draw("x", 70, 0, 30)
    parts = np.concatenate([draw("x", 70, 0, 11), draw("x", 70, 11, 30)])
    assert (whole == parts).all()
    assert (whole != draw("y", 70, 0, 30)).any()


def test_resamples_are_the_same_on_every_machine():
    assert bootstrap_weights("task", 5, 0, 2).tolist() == [[0, 1, 1, 1, 2], [1, 0, 2, 0, 2]]
    assert coin_flips("task", 6, 0, 2).tolist() == [[1, 0, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1]]


def test_drawing_is_even():
    drawn = bootstrap_weights("x", 10, 0, 20_000).mean(axis=0)
    assert drawn == pytest.approx(np.ones(10), abs=0.03)  # 4 standard errors
    flipped = coin_flips("x", 10, 0, 20_000).mean(axis=0)
    assert flipped == pytest.approx(np.full(10, 0.5), abs=0.015)


def test_interval_of_nothing_but_zeros_is_wilsons():
    found = interval(np.zeros(100), 0.0, 24)
    z2 = scipy_stats.norm.ppf(0.975) ** 2
    assert (found.low, found.high) == (0.0, pytest.approx(z2 / (24 + z2)))
    assert interval(np.ones(100), 1.0, 24).low == pytest.approx(24 / (24 + z2))


def test_interval_is_wider_for_fewer_units_and_stays_in_range():
    samples = np.linspace(0, 1, 10_001)
    few, many = interval(samples, 0.5, 5), interval(samples, 0.5, 5_000)
    assert few.low < many.low < many.high < few.high
    assert many.low == pytest.approx(0.025, abs=1e-3)
    assert interval(np.linspace(-1, 2, 100), 0.5, 50).high == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_equals_statsmodels(p_values):
    with patch("gc.collect"):  # statsmodels tidies at each call: half a second beside torch
        expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(list(expected))


def test_holm_of_nothing():
    assert holm([]) == []


def test_mcnemar_is_the_binomial_test_of_the_items_that_changed():
    first, second = (
        np.array([1.0] * 9 + [0] * 5 + [1] * 20),
        np.array([0.0] * 9 + [1] * 5 + [1] * 20),
    )
    assert mcnemar_p(first, second) == pytest.approx(scipy_stats.binomtest(9, 14).pvalue)
    assert mcnemar_p(first, first) == 1.0


def test_randomisation_p_counts_the_observed_arrangement():
    null = np.array([-3.0, -1, 0, 1, 2, 3, 1, 0, 0])
    assert randomisation_p(3.0, null) == pytest.approx(3 / 10)
    assert randomisation_p(0.0, null) == 1.0


def test_beyond_the_resamples_hoeffdings_bound_is_above_the_exact_p():
    documents = 40  # each changed for the better by one: p = 2 / 2**40
    flips = coin_flips("x", documents, 0, 2_000)
    null = (2 * flips - 1).sum(axis=1)
    p = randomisation_p(float(documents), null)
    assert 2 / 2**documents < p < 1e-7


def test_detectable_is_what_a_z_test_finds_in_80_percent():
    rng = np.random.default_rng(0)
    error = 0.05
    gap = detectable(rng.normal(0, error, 200_000))
    found = np.abs(rng.normal(gap, error, 20_000)) > 1.959964 * error
    assert found.mean() == pytest.approx(0.8, abs=0.02)
    assert detectable(np.zeros(10)) is None


def pairs_of(estimates, samples):
    """Every pair's difference and its standard error, from resamples."""
    values = np.asarray(estimates)
    errors = (samples[:, None] - samples[None, :]).std(axis=-1)
    return values[:, None] - values[None, :], errors


def test_ranks_tie_where_nothing_is_significant():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, (4, 4_000))
    estimates = [0.5, 0.51, 0.9, 0.1]
    gaps, errors = pairs_of(estimates, np.array(estimates)[:, None] + noise)
    assert rank_ranges(gaps, errors, 100) == [(2, 3), (2, 3), (1, 1), (4, 4)]


def test_ranks_compare_paired_models_by_their_difference():
    shared = np.random.default_rng(0).normal(0, 0.2, 4_000)
    own = np.random.default_rng(1).normal(0, 0.001, 4_000)
    gaps, errors = pairs_of([0.5, 0.52], np.stack([0.5 + shared, 0.52 + shared + own]))
    assert rank_ranges(gaps, errors, 100) == [(2, 2), (1, 1)]
    assert rank_ranges(np.zeros((1, 1)), np.zeros((1, 1)), 100) == [(1, 1)]
    assert rank_ranges(np.zeros((2, 2)), np.zeros((2, 2)), 100) == [(1, 2), (1, 2)]


@pytest.mark.parametrize(("documents", "sure"), [(1, False), (5, False), (6, True), (100, True)])
def test_a_pair_without_spread_is_ranked_by_what_its_documents_can_show(documents, sure):
    """All right against all wrong: the exact p is 2^(1 - n), 0.0625 of 5 and 0.031 of 6."""
    gaps = np.array([[0.0, 1.0], [-1.0, 0.0]])
    found = rank_ranges(gaps, np.zeros((2, 2)), documents)
    assert found == ([(1, 1), (2, 2)] if sure else [(1, 2), (1, 2)])


def test_tasks_that_stand_still_widen_a_mean_as_one_task_of_all_their_documents():
    still = Unseen()
    for _ in range(10):
        still.add(0.0, 24, 0.0, 1.0)
    found = still.widened(Interval(0.0, 0.0), 0.0, 10)
    z2 = scipy_stats.norm.ppf(0.975) ** 2
    assert found.low == 0.0
    assert found.high == pytest.approx(z2 / (240 + z2))  # Wilson's for 0 of 240
    assert Unseen().widened(Interval(0.1, 0.3), 0.2, 10) == Interval(0.1, 0.3)
