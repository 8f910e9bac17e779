"""Which rows are of this project's schema, and which only have columns of its names."""

import pytest

from harness.suites.items import document_of, is_own
from harness.suites.ways.sample import sample

OWN = {"id": "a", "input": "q", "target": ["yes"], "gold": "yes", "labels": ["yes", "no"],
       "document": "d", "meta": "{}"}  # fmt: skip


def test_a_row_of_the_schema_is_own():
    assert is_own(OWN)
    assert document_of(OWN, "name") == "d"


@pytest.mark.parametrize(
    "other", [{"target": 3}, {"labels": "x"}, {"labels": None}, {"document": 7}, {"input": None},
              {"target": [1]}],
)  # fmt: skip
def test_columns_of_these_names_with_other_values_are_not(other):
    rows = [{**OWN, **other}] * 3
    assert not is_own(rows[0])
    assert document_of(rows[0], "name") == "name"
    assert sample(rows, 2) is None
