"""Nearest texts by meaning: exact cosines, nearest first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from specializers.retrieval.nearest import nearest, nearest_texts

VECTORS = {"north": (0, 1), "east": (1, 0), "northeast": (0.6, 0.8), "again": (1, 0)}


class Compass:
    """An embedding model of four words."""

    def passages(self, texts):
        return np.array([VECTORS[text] for text in texts], dtype=np.float32)

    def query(self, text):
        return self.passages([text])


def test_nearest_first_and_equal_ones_in_order():
    found = nearest_texts(Compass(), ["north", "east"], list(VECTORS), 3)
    assert [[place for place, _ in near] for near in found] == [[0, 2, 1], [1, 3, 2]]
    assert [round(value, 5) for _, value in found[0]] == [1.0, 0.8, 0.0]


def test_fewer_texts_than_asked_for_and_none():
    assert [len(near) for near in nearest_texts(Compass(), ["north"], ["east"], 3)] == [1]
    assert nearest_texts(Compass(), ["north", "east"], [], 3) == [[], []]


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.integers(1, 12),
    st.integers(1, 20),
)
def test_blocks_of_any_size_give_the_order_of_all_products(kinds, k, size):
    """Few different vectors, each many times: equal products stand in order."""
    some = np.random.default_rng(3).normal(size=(6, 5)).astype(np.float32)
    vectors, query = some[kinds], some[:1] + 1
    blocks = [vectors[start : start + size] for start in range(0, len(vectors), size)]
    found = nearest(blocks, query, k)
    products = vectors.astype(np.float64) @ query[0].astype(np.float64)
    order = np.lexsort((np.arange(len(kinds)), -products.round(5)))
    assert [place for place, _ in found] == order[:k].tolist()
    assert np.allclose([value for _, value in found], products[order[:k]], atol=1e-4)
