import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.aggregation import AGGREGATIONS, WIDTHS
from tasks.resample import HALVES, aggregate_resampled

COUNT = st.integers(0, 3)
ROW = {
    "mean_score": st.floats(0, 1),
    "mean": st.floats(0, 1),
    "micro_f1": st.lists(COUNT, min_size=3, max_size=3),
    "macro_f1": st.tuples(st.integers(0, 3), st.integers(-1, 3)),
    "macro_f1_counts": st.lists(COUNT, min_size=9, max_size=9),
}


def test_every_aggregation_has_its_resampled_form():
    assert set(ROW) == set(AGGREGATIONS) == set(WIDTHS) == set(HALVES)
    for name in AGGREGATIONS:
        width = WIDTHS[name] or 3
        assert aggregate_resampled(name, np.zeros((2, width)), np.ones((5, 2))).shape == (5,)


@pytest.mark.parametrize("name", sorted(ROW))
@given(data=st.data())
def test_equals_the_plain_aggregation_over_repeated_items(name, data):
    values = data.draw(st.lists(ROW[name], min_size=1, max_size=6))
    some = st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values)).filter(any)
    weights = data.draw(st.lists(some, min_size=1, max_size=4))
    scores = aggregate_resampled(name, np.array(values), np.array(weights, dtype=float))
    for score, taken in zip(scores, weights, strict=True):
        repeated = [v for v, times in zip(values, taken, strict=True) for _ in range(times)]
        assert score == pytest.approx(AGGREGATIONS[name](repeated))


def test_hand_worked_resamples():
    counts = np.array([[1, 0, 0], [0, 1, 1]])
    weights = np.array([[1, 1], [2, 0], [0, 2], [3, 1]])
    assert aggregate_resampled("micro_f1", counts, weights).tolist() == [0.5, 1.0, 0.0, 0.75]


def test_a_resample_without_items_is_an_error():
    with pytest.raises(ValueError, match="without any item"):
        aggregate_resampled("mean_score", np.ones(2), np.zeros((1, 2)))


def test_an_unknown_aggregation_is_an_error():
    with pytest.raises(KeyError):
        aggregate_resampled("median", np.ones(2), np.ones((1, 2)))
