"""Which records stand in one column, and how two columns of a task are told apart."""

from leaderboards.gather import gather
from leaderboards.shown import column_name
from leaderboards.spec import BoardSpec
from tests.leaderboards.records import record


def test_the_column_of_best_wordings_is_told_from_that_of_the_mean():
    mean = [record("m", "t", [1, 0, 1], wording=wording) for wording in (0, 1)]
    best = record("m", "t", [1, 1, 1], wording=1, wording_items=16)
    (table,) = gather([*mean, best], BoardSpec("b"))
    columns = [raw.column for raw in table.columns]
    assert sorted(column_name(one, columns).partition(" (")[2] for one in columns) == [
        "wording=best)",
        "wording=mean)",
    ]
