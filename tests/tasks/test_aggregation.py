import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from tasks.aggregation import AGGREGATIONS, f1, macro_f1, macro_f1_counts, mean_score, micro_f1

COUNT = st.integers(0, 5)
COUNTS = st.lists(st.tuples(COUNT, COUNT, COUNT), min_size=1, max_size=12)
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=30)
LABEL_SETS = st.lists(
    st.tuples(st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3))), min_size=1, max_size=20
)


def label_counts(gold: set[int], predicted: set[int]) -> list[int]:
    flat = []
    for one in range(4):
        flat += [
            int(one in gold and one in predicted),
            int(one in predicted and one not in gold),
            int(one in gold and one not in predicted),
        ]
    return flat


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("mean_score", [1, 0, 0.5, 0], 0.375),
        ("mean", [1, 0], 0.5),
        # tp 3, fp 1, fn 2: 6 / 9
        ("micro_f1", [[1, 1, 0], [2, 0, 2]], 6 / 9),
        ("micro_f1", [[0, 0, 0], [0, 0, 0]], 1.0),
        ("micro_f1", [[0, 0, 0], [0, 1, 0]], 0.0),
        # label 0: tp 1 fp 1 fn 1 -> 1/2; label 1: tp 1 fp 1 fn 1 -> 1/2
        ("macro_f1", [[0, 0], [0, 1], [1, 0], [1, 1]], 0.5),
        # label 0: tp 1, fn 1 -> 2/3; label 2 is never gold
        ("macro_f1", [[0, 0], [0, 2]], 2 / 3),
        # the unparseable one is a miss of 1 and no false alarm: 1 and 0
        ("macro_f1", [[0, 0], [1, -1]], 0.5),
        # label 0: 2/3; label 1 absent; label 2: 0
        ("macro_f1_counts", [[1, 1, 0, 0, 0, 0, 0, 0, 1]], 1 / 3),
        ("macro_f1_counts", [[0, 0, 0, 0, 0, 0]], 1.0),
    ],
)
def test_hand_worked(name, values, expected):
    assert AGGREGATIONS[name](values) == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
def test_no_items_is_an_error_not_a_score(name):
    with pytest.raises(ValueError, match="no scored items"):
        AGGREGATIONS[name]([])


@given(PAIRS)
def test_macro_f1_equals_scikit_learn(pairs):
    gold, predicted = zip(*pairs, strict=True)
    expected = f1_score(gold, predicted, labels=sorted(set(gold)), average="macro")
    assert macro_f1(pairs) == pytest.approx(expected)


@given(LABEL_SETS)
def test_counts_equal_scikit_learn(sets):
    gold = [[int(one in g) for one in range(4)] for g, _ in sets]
    predicted = [[int(one in p) for one in range(4)] for _, p in sets]
    flat = [label_counts(g, p) for g, p in sets]
    summed = [[sum(row[k::3]) for k in range(3)] for row in flat]
    assert micro_f1(summed) == pytest.approx(
        f1_score(gold, predicted, average="micro", zero_division=1.0)
    )
    macro = f1_score(gold, predicted, average="macro", zero_division=math.nan)
    assert macro_f1_counts(flat) == pytest.approx(1.0 if math.isnan(macro) else macro)


@given(COUNTS)
def test_micro_f1_is_symmetric_in_gold_and_prediction(values):
    assert micro_f1(values) == micro_f1([(tp, fn, fp) for tp, fp, fn in values])


@given(COUNTS, PAIRS, st.randoms())
def test_order_of_items_does_not_matter_and_scores_are_bounded(counts, pairs, rng: random.Random):
    for function, values in ((micro_f1, counts), (macro_f1, pairs), (macro_f1_counts, counts)):
        score = function(values)
        assert 0.0 <= score <= 1.0
        shuffled = rng.sample(values, len(values))
        assert function(shuffled) == pytest.approx(score)


@given(COUNT, COUNT, COUNT)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(tp, fp, fn):
    if tp:
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        assert f1(tp, fp, fn) == pytest.approx(2 * precision * recall / (precision + recall))
    else:
        assert f1(tp, fp, fn) == (0.0 if fp or fn else 1.0)


def test_mean_score_is_the_mean():
    assert mean_score([0.25, 0.75, 1.0]) == pytest.approx(2 / 3)
