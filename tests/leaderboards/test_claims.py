"""Floors, one answer, signal to noise, wordings and makes, what was kept elsewhere."""

import numpy as np
import pytest

from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.details import detail_grids
from leaderboards.text.grids import section_grids
from tests.leaderboards.records import record

SPEC = BoardSpec("made_up", resamples=400)
N = 40


def right(share, seed=0):
    return [int(i < share * N) for i in np.random.default_rng(seed).permutation(N)]


def board_of(*records, **changes):
    spec = BoardSpec("made_up", resamples=400, **changes)
    return build(records, spec)


def section_of(*records, **changes):
    (section,) = board_of(*records, **changes).sections
    return section


def floor(values, task="task", **more):
    return record("floor:majority", task, values, model_kind="floor", model_digest="", **more)


def test_a_score_not_surely_above_its_floor_is_marked_and_the_floor_has_no_rank():
    found = section_of(
        record("good", "task", right(0.9)),
        record("poor", "task", right(0.5)),
        floor(right(0.45, 1)),
    )
    cells = {row.label: row.cells[0] for row in found.rows}
    assert cells["good"].floor.above
    assert not cells["poor"].floor.above
    assert cells["floor:majority"].rank is None
    assert not cells["floor:majority"].best
    assert cells["floor:majority"].to_best is None
    assert found.rows[-1].label == "floor:majority"
    text = str(section_grids(found))
    assert "50.0°" in text
    assert "90.0°" not in text


def test_a_floor_changes_no_other_p():
    models = [record("good", "task", right(0.9)), record("poor", "task", right(0.5))]
    alone, beside = section_of(*models), section_of(*models, floor(right(0.2)))
    for row in alone.rows:
        (other,) = [r for r in beside.rows if r.label == row.label]
        assert other.cells[0].to_best == row.cells[0].to_best
        assert other.cells[0].rank == row.cells[0].rank


def test_one_answer_to_nearly_all_items_is_marked():
    pairs = [[i % 2, 0] for i in range(N)]
    varied = [[i % 2, (i // 2) % 2] for i in range(N)]
    found = section_of(
        record("stuck", "task", pairs, metric="f1", aggregation="macro_f1"),
        record("free", "task", varied, metric="f1", aggregation="macro_f1"),
    )
    shares = {row.label: row.cells[0].one_answer for row in found.rows}
    assert shares == {"stuck": 1.0, "free": 0.0}
    assert "=100%" in str(section_grids(found))


def test_the_weight_of_an_item_of_a_rare_label_is_told():
    pairs = [[int(i < 2), 0] for i in range(N)]
    found = board_of(record("a", "task", pairs, metric="f1", aggregation="macro_f1"))
    assert found.sections[0].rows[0].cells[0].weight == pytest.approx(0.25)
    assert any(
        "one item of a rare label can weigh" in note and "25.0" in note for note in found.notes
    )


def wordings(model, shares, **more):
    return [
        record(model, "task", right(share), wording=number, **more)
        for number, share in enumerate(shares)
    ]


def test_a_score_is_the_mean_over_wordings_and_its_interval_knows_their_spread():
    narrow = section_of(*wordings("a", [0.5, 0.5, 0.5])).rows[0].cells[0]
    wide = section_of(*wordings("a", [0.3, 0.5, 0.7])).rows[0].cells[0]
    assert wide.wordings == (0, 1, 2)
    assert wide.by_wording == pytest.approx((0.3, 0.5, 0.7))
    assert narrow.score == wide.score == pytest.approx(0.5)
    assert wide.interval.high - wide.interval.low > 1.5 * (
        narrow.interval.high - narrow.interval.low
    )


def test_rows_of_other_wordings_are_compared_in_those_both_have_and_it_is_told():
    found = board_of(*wordings("a", [0.3, 0.6]), *wordings("b", [0.4]))
    text = " ".join(found.notes)
    assert "b on task has 0" in text
    gap = next(row.cells[0].to_best for row in found.sections[0].rows if row.cells[0].to_best)
    assert gap.wordings == (0,)


def test_one_wording_and_one_make_say_what_they_hold_for():
    text = " ".join(board_of(record("tiny", "task", right(0.5)),
                             record("selfspec-tiny", "task", right(0.6))).notes)  # fmt: skip
    assert "every score is of one wording" in text
    assert "selfspec-tiny, 0-shot: made once" in text
    assert "(--makes 3 makes it anew)" in text


def test_an_adapter_made_elsewhere_cannot_be_made_anew():
    text = " ".join(board_of(record("tiny", "task", right(0.5)),
                             record("lora", "task", right(0.6), base="tiny", specializer="adapter",
                                    artifact="a" * 64)).notes)  # fmt: skip
    assert "lora, 0-shot: made once" in text
    assert "makes it anew" not in text


def makes(shares):
    return [
        record(
            "selfspec-tiny",
            "task",
            right(share, number),
            artifact=letter * 64,
            **({"make": number, "make_of": "a" * 64, "makes_of": "all"} if number else {}),
        )
        for number, (letter, share) in enumerate(zip("abc", shares, strict=True))
    ]


def test_makes_are_one_row_their_mean_and_the_gain_knows_their_spread():
    base = record("tiny", "task", right(0.3, 9))
    found = section_of(base, *makes([0.4, 0.6, 0.8]))
    (row,) = [row for row in found.rows if row.specializer]
    cell = row.cells[0]
    assert cell.by_make == pytest.approx((0.4, 0.6, 0.8))
    assert cell.score == pytest.approx(0.6)
    even = section_of(base, *makes([0.6, 0.6, 0.6])).rows[-1].cells[0]
    assert even.difference.value == pytest.approx(cell.difference.value)
    assert cell.difference.interval.low < even.difference.interval.low
    assert cell.difference.p > even.difference.p
    assert any(grid.title.endswith("each make") for grid in detail_grids(found))


def test_a_task_that_cannot_tell_its_models_apart_is_told_and_the_average_without_it():
    found = board_of(
        *(record(m, "clear", right(s), rank_of="") for m, s in (("a", 0.1), ("b", 0.95))),
        *(record(m, "dull", right(s), rank_of="") for m, s in (("a", 0.5), ("b", 0.525))),
    )
    signals = {found.sections[0].columns[s.column].task: s.tells for s in found.sections[0].signals}
    assert signals == {"clear": True, "dull": False}
    text = " ".join(found.notes)
    assert "dull" in text
    assert "b 95.0 (of all 73.8)" in text


@pytest.mark.parametrize(
    ("kept", "verdict"),
    [(0.5, "not worse by more than 2.0 points"), (0.2, "worse by more than 2.0 points")],
)
def test_what_was_kept_elsewhere_is_said_beside_the_gain(kept, verdict):
    def pair(suite, task, one, two):
        return [
            record("tiny", task, [*right(one)] * 10, suite=suite),
            record("selfspec-tiny", task, [*right(two)] * 10, suite=suite),
        ]

    found = board_of(*pair("own", "task", 0.3, 0.6), *pair("general", "g", 0.5, kept),
                     suite="own", retention="general")  # fmt: skip
    assert [one.verdict for one in found.retention] == [verdict]
    assert any(verdict in note for note in found.notes)
    assert len(found.sections[0].columns) == 1


def with_metrics(made, **more):
    """The record with further metrics of its items, value by name."""
    for name, (aggregation, value) in more.items():
        made.manifest["metrics"][name] = {
            "aggregation": aggregation,
            "higher_is_better": name != "gold_bpb",
        }
        made.summary["metrics"][name] = value
        for item in made.items:
            item["metrics"][name] = value
    return made


def test_bits_per_byte_are_columns_of_their_own_and_lower_is_better():
    found = section_of(
        with_metrics(record("tiny", "task", right(0.5)), gold_bpb=("mean_score", 1.5)),
        with_metrics(record("selfspec-tiny", "task", right(0.5)), gold_bpb=("mean_score", 0.5)),
    )
    (row,) = [row for row in found.rows if row.specializer]
    assert row.bits[0].score == pytest.approx(0.5)
    assert row.bits[0].difference.gain == pytest.approx(1.0)
    assert row.bits[0].best
    assert len(found.columns) == 1
    (grid,) = [grid for grid in detail_grids(found) if "bits per byte" in grid.title]
    assert grid.rows[0][0] == "task ↓"


def test_a_row_without_bits_is_left_out_of_them():
    found = section_of(
        with_metrics(record("tiny", "task", right(0.5)), gold_bpb=("mean_score", 1.5)),
        record("other", "task", right(0.5)),
    )
    assert {row.label: row.bits[0] is None for row in found.rows} == {"tiny": False, "other": True}


def test_how_answers_read_is_told():
    made = with_metrics(record("tiny", "task", right(0.5)), accuracy_lenient=("mean_score", 0.75))
    made.summary["n_length"] = 4
    (grid,) = [g for g in detail_grids(section_of(made)) if "how the answers read" in g.title]
    assert grid.rows == (("tiny", "task", "10 %", "0 %", "0 %", "0 %", "–", "50.0", "75.0"),)


def test_nobody_looked_is_told():
    found = board_of(record("tiny", "task", right(0.5)),
                     record("selfspec-tiny", "task", right(0.6)), suite="made_up")  # fmt: skip
    assert any("What was lost elsewhere is not known of selfspec-tiny" in n for n in found.notes)
