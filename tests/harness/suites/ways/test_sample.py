"""A limited run's items: labels keep their shares, rare ones a few, all models the same."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.suites.ways.sample import FEWEST, sample, shares, weighed

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=2)


def doc(number, label, labels=("a", "b", "c", "d", "e", "f")):
    return {"id": str(number), "input": "x", "target": [label], "gold": label,
            "labels": list(labels), "document": str(number), "meta": "{}"}  # fmt: skip


@given(counts, st.data())
def test_shares_add_up_and_no_label_is_lost(counts, data):
    total = sum(counts.values())
    limit = data.draw(st.integers(1, total - 1))
    found = shares(counts, limit)
    assert sum(found.values()) == limit
    least = min(FEWEST, limit // len(counts))
    for label, count in counts.items():
        assert min(count, least) <= found[label] <= count
        # No label has more than its share, but for what rounding and the fewest give.
        assert found[label] <= max(limit * count / total + 1, FEWEST, 1)


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=80), st.integers(1, 79))
def test_a_sample_is_of_the_first_of_each_label_in_the_sets_order(labels, limit):
    docs = [doc(number, label) for number, label in enumerate(labels)]
    places = sample(docs, limit)
    if limit >= len(docs) or len(set(labels)) < 2:
        assert places is None
        return
    assert len(places) == limit
    assert places == sorted(set(places))
    for label in set(labels):
        own = [place for place, one in enumerate(labels) if one == label]
        taken = [place for place in places if labels[place] == label]
        assert taken == own[: len(taken)]


def test_rows_that_say_no_label_are_taken_from_the_first():
    assert sample([{"question": str(n)} for n in range(9)], 3) is None
    assert sample([doc(n, "some words", ()) for n in range(9)], 3) is None


def test_one_neutral_of_twenty_is_worth_a_third_and_a_sample_makes_it_less():
    labels = ["a"] * 100 + ["b"] * 90 + ["c"] * 10
    docs = [doc(n, label) for n, label in enumerate(labels)]
    first = weighed(docs[90:110] + docs[190:191])
    assert first["labels"] == {"a": 10, "b": 10, "c": 1}
    assert first["item_weight"] == 1 / 3
    chosen = weighed([docs[place] for place in sample(docs, 20)])
    assert chosen["labels"]["c"] == FEWEST
    assert chosen["item_weight"] == 1 / 12


def test_mentions_keep_the_share_of_sentences_without():
    rows = [doc(n, "x <a>" if n % 4 else "None") for n in range(40)]
    kinds = Counter(rows[place]["target"][0] for place in sample(rows, 20))
    assert kinds == {"x <a>": 15, "None": 5}
