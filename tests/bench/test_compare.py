"""`Leaderboard.compare` follows the board's rules: of one pair one difference, and no verdict."""

from pathlib import Path

import pytest

from bench.results import Leaderboard
from harness.errors import UserError
from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.verdict import BETTER, LACKING
from tests.leaderboards.records import item, record, record_of

SPEC = BoardSpec("made_up", resamples=300)


def board_of(*records):
    return Leaderboard(build(records, SPEC), tuple(records), SPEC, Path())


def test_a_pair_has_the_difference_that_the_tables_show():
    right, wrong = [1] * 12 + [0] * 8, [0] * 20
    records = [record(m, t, v) for t in "tu" for m, v in (("a", right), ("b", wrong))]
    board = board_of(*records)
    found = board.compare("b", "a")
    (section,) = board.board.sections
    row = next(row for row in section.rows if row.label == "b")
    assert found.difference.value == row.average.to_best.value == pytest.approx(-0.6)
    assert (found.difference.p, found.table, found.task) == (row.average.to_best.p, "0-shot", "")
    alone = board.compare("a", "b", task="u")
    assert (alone.verdict, alone.task, alone.bounds) == (BETTER, "u", None)
    assert alone.difference.p == row.cells[1].to_best.p


@pytest.mark.parametrize("task", ["t", ""])
def test_too_many_missing_answers_leave_bounds_and_no_verdict(task):
    """Right where it answered, 90 of 100: with the rest wrong 0.9, with the rest right 1.0."""
    records = [record("api", "t", [None] * 10 + [1] * 90), record("b", "t", [0, 1] * 50)]
    if not task:  # an average of two such tasks
        records += [record("api", "u", [None] * 10 + [1] * 90), record("b", "u", [0, 1] * 50)]
    found = board_of(*records).compare("api", "b", task=task)
    assert found.difference.significant
    assert found.difference.lacking == 0.1
    assert (found.bounds.low, found.bounds.high) == pytest.approx((0.4, 0.5))
    assert found.verdict == f"{LACKING}: with these wrong or right it is between +40.0 and +50.0"


def test_leaks_and_rows_not_run_alike_are_told():
    numerics = {"engine": "hf", "dtype": "bfloat16"}
    made = record_of("b", "t", [item(i, 1, flags=["leaked"] * (i < 3)) for i in range(8)])
    found = board_of(record("a", "t", [0] * 8, numerics=numerics), made).compare("b", "a")
    assert found.difference.leaks == 3
    assert found.difference.unlike == ("dtype bfloat16, not float32",)


def test_a_task_that_is_not_there_or_stands_twice_is_no_average():
    records = [record(m, t, [1, 0]) for m in "ab" for t in "tu"]
    with pytest.raises(UserError, match="no task 'x' on this board"):
        board_of(*records).compare("a", "b", task="x")
    twice = [record(m, "t", [1, 0], suite=suite) for m in "ab" for suite in ("one", "two")]
    spec = BoardSpec("", resamples=100)
    board = Leaderboard(build(twice, spec), tuple(twice), spec, Path())
    with pytest.raises(UserError, match="several columns in 0-shot: 'one/t', 'two/t'"):
        board.compare("a", "b", task="t")
    assert board.compare("a", "b", task="two/t").difference.n == 2
    lone = [record("a", "t", [1, 0]), *(record("b", t, [1, 0]) for t in "tu")]
    with pytest.raises(UserError, match="on every task that counts; name one by 'task'"):
        board_of(*lone).compare("a", "b")
