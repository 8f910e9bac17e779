"""Nearest texts by meaning: exact cosines, nearest first."""

import numpy as np

from specializers.retrieval.nearest import nearest_texts

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
