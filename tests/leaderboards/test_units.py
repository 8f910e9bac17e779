"""Values as they are: only shares are shown in points of 100 and averaged over tasks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.suites.metrics import aggregation_name, metric_facts, unit_of
from leaderboards.board import as_json
from leaderboards.build import build
from leaderboards.shown import points, smallest
from leaderboards.spec import BoardSpec
from leaderboards.text.grids import legend, score, section_grids
from tests.leaderboards.records import record


def with_unit(made, unit, value):
    metric = made.manifest["main_metric"]
    made.manifest["metrics"][metric]["unit"] = unit
    made.summary["metrics"][metric] = value
    return made


def perplexities(model, value):
    made = record(model, "text", [3.0, 5.0], metric="ppl", aggregation="perplexity")
    made.manifest["metrics"]["ppl"]["higher_is_better"] = False
    return with_unit(made, "number", value)


def test_a_perplexity_is_shown_as_it_is_and_in_no_average():
    made = [
        perplexities("m", 58.187),
        *(record("m", task, [1, 0, 1], aggregation="mean") for task in ("a", "b")),
    ]
    board = build(made, BoardSpec("b", resamples=200))
    (section,) = board.sections
    (row,) = section.rows
    shown = {
        c.task: (c.unit, score(cell)) for c, cell in zip(section.columns, row.cells, strict=True)
    }
    assert shown["text"] == ("number", "58.19")
    assert shown["a"][1].startswith("66.7 [")
    assert row.average.score == pytest.approx(2 / 3)
    assert "58.19" in str(section_grids(section))
    assert any("text (ppl)" in line for line in legend(board))
    told = json.dumps(as_json(board))
    assert '"unit": "number"' in told
    assert '"unit": "share"' not in told


@given(st.floats(0, 50), st.sampled_from(["share", "number"]))
def test_no_difference_of_shares_above_100_points_is_spoken_of(size, unit):
    over = unit == "share" and size > 1
    assert smallest(size, unit) == (">100" if over else points(size, unit=unit))
    assert smallest(None, unit) == points(None)


def test_the_board_shows_what_each_record_says():
    """A suite's own `mean` that is none, and rows that share an id, change no number."""
    other = record("m", "own", [1, 0, 0, 1], aggregation="mean")
    other.summary["metrics"][other.manifest["main_metric"]] = 0.75
    same = record("m", "ids", [1, 0, 1], aggregation="mean")
    for item in same.items:
        item["id"] = "1"
    same.summary["metrics"][same.manifest["main_metric"]] = 2 / 3
    board = build([other, same], BoardSpec("b", resamples=200))
    (row,) = board.sections[0].rows
    assert [cell.score for cell in row.cells] == [pytest.approx(2 / 3), 0.75]


def test_a_mean_of_plain_numbers_has_an_interval_within_its_items():
    values = [3.0, 5.0, 4.0, 9.0, 2.0, 4.0]
    made = record("m", "words", values, aggregation="mean")
    with_unit(made, "number", sum(values) / 6)
    (row,) = build([made], BoardSpec("b", resamples=500)).sections[0].rows
    (cell,) = row.cells
    assert cell.score == pytest.approx(4.5)
    assert 2.0 <= cell.interval.low < 4.5 < cell.interval.high <= 9.0


def mean(values):
    return sum(values) / len(values)


def test_an_aggregation_is_named_by_where_it_stands():
    from functools import partial

    from lm_eval.api.metrics import chrfpp
    from lm_eval.api.metrics import mean as theirs

    from tasks.aggregation import macro_f1

    assert aggregation_name(macro_f1) == "macro_f1"
    assert (aggregation_name(theirs), aggregation_name(chrfpp)) == ("mean", "chrfpp")
    assert aggregation_name(mean).endswith("test_units.mean")
    once, again = partial(mean), partial(mean)
    assert aggregation_name(once) == aggregation_name(again) == f"partial({aggregation_name(mean)})"


@given(st.lists(st.floats(-5, 5) | st.booleans() | st.lists(st.integers(-2, 2)), max_size=5))
def test_only_numbers_within_0_and_1_are_taken_for_shares(values):
    unit = metric_facts(mean, True, values)["unit"]
    numbers = [value for value in values if not isinstance(value, list)]
    assert unit == ("share" if all(0 <= value <= 1 for value in numbers) else "number")
    assert metric_facts(mean, True, values, "points")["unit"] == "points"


@given(st.lists(st.sampled_from(["share", "points", "number"]), min_size=1))
def test_a_column_has_the_widest_unit_of_its_records(units):
    widest = max(units, key=["share", "points", "number"].index)
    assert unit_of([{"aggregation": "mean", "unit": unit} for unit in units]) == widest


def test_old_records_have_the_unit_of_their_aggregation():
    assert unit_of([{"aggregation": "bleu"}]) == "points"
    assert unit_of([{"aggregation": "perplexity"}]) == "number"
    assert unit_of([{"aggregation": "micro_f1"}]) == "share"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(58.187, "number", "58.19"), (0.37391, "number", "0.3739"), (1.907, "points", "1.91"),
     (416.6667, "points", "416.67"), (2.4e8, "number", "2.4e+08"), (0.5, "share", "50.0")],
)  # fmt: skip
def test_points(value, unit, shown):
    assert points(value, unit=unit) == shown
    assert points(-value, sign=True, unit=unit) == f"−{shown}"
