"""Gain = format + knowledge, on effects planted in made-up answers."""

import numpy as np
import pytest

from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.grids import difference, section_grids
from tests.leaderboards.records import record
from tests.leaderboards.test_claims import with_metrics

SPEC = BoardSpec("made_up", resamples=2_000)
N = 200


def right(share):
    return [int(i < share * N) for i in np.random.default_rng(0).permutation(N)]


def parts_of(written_base, written, ranked_base, ranked, **changes):
    records = [
        record("tiny", "task", written_base),
        record("selfspec-tiny", "task", written),
        record("tiny", "task_rank", ranked_base, rank_of="task", **changes),
        record("selfspec-tiny", "task_rank", ranked, rank_of="task", **changes),
    ]
    (section,) = build(records, SPEC).sections
    return {row.label: row.parts for row in section.rows}


def test_a_gain_in_parsing_alone_is_format():
    unparseable = [value if i % 2 else "?" for i, value in enumerate(right(0.6))]
    (part,) = parts_of(unparseable, right(0.6), right(0.6), right(0.6))["selfspec-tiny"]
    assert (part.task, part.ranking_task, part.metric, part.n) == (
        "task",
        "task_rank",
        "accuracy",
        N,
    )
    assert part.format == pytest.approx(part.gain)
    assert part.format_interval.low > 0
    assert part.knowledge == 0
    assert part.knowledge_interval.low < 0 < part.knowledge_interval.high


def test_a_gain_in_both_askings_is_knowledge():
    (part,) = parts_of(right(0.4), right(0.7), right(0.4), right(0.7))["selfspec-tiny"]
    assert part.knowledge == pytest.approx(0.3)
    assert part.knowledge_interval.low > 0.2
    assert part.format == pytest.approx(0)
    # The two askings are right on the same items and resampled together.
    assert part.format_interval.high < 0.05


def test_the_parts_add_up_and_the_base_has_none():
    found = parts_of(right(0.2), right(0.7), right(0.5), right(0.6))
    (part,) = found["selfspec-tiny"]
    assert part.gain == pytest.approx(part.format + part.knowledge)
    assert found["tiny"] == ()


def test_only_items_scored_in_all_four_runs_count():
    failed = [None if i < 50 else value for i, value in enumerate(right(0.6))]
    (part,) = parts_of(right(0.4), right(0.7), failed, right(0.6))["selfspec-tiny"]
    assert part.n == 150


def test_without_a_common_metric_there_are_no_parts():
    metrics = {"other": {"aggregation": "mean_score", "higher_is_better": True}}
    shares = [right(share) for share in (0.2, 0.7, 0.5, 0.6)]
    found = parts_of(*shares, main_metric="other", metrics=metrics)
    assert found["selfspec-tiny"] == ()


def test_bits_stand_beside_the_parts_and_tell_of_tasks_that_nothing_ranks():
    records = [
        record("tiny", "task", right(0.4)),
        record("selfspec-tiny", "task", right(0.7)),
        record("tiny", "task_rank", right(0.4), rank_of="task"),
        record("selfspec-tiny", "task_rank", right(0.7), rank_of="task"),
        with_metrics(record("tiny", "open", right(0.2)), gold_bpb=("mean_score", 1.5)),
        with_metrics(record("selfspec-tiny", "open", right(0.5)), gold_bpb=("mean_score", 0.5)),
    ]
    (section,) = build(records, SPEC).sections
    (grid,) = [grid for grid in section_grids(section) if "gained" in grid.title]
    assert grid.header[-1] == "bits per byte"
    first, second = grid.rows
    assert (first[0], first[-1]) == ("task", "–")
    assert (second[0], second[3:5]) == ("open", ("–", "–"))
    (row,) = [row for row in section.rows if row.label == "selfspec-tiny"]
    (cell,) = [cell for cell in row.bits if cell is not None]
    assert second[-1] == difference(cell.difference)
