"""The funnel of a model's data: every thing read is either dropped once or kept."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leaderboards.pages.funnel import funnel, steps

COUNTS = st.integers(0, 500)
STAGE = st.builds(
    lambda kept, mined, dropped, calls: {
        "accepted": kept + mined, "dropped": dropped, "calls": calls, "mined": mined,
        "candidates": kept + sum(dropped.values()),
    },
    COUNTS, COUNTS, st.dictionaries(st.sampled_from(["loop", "copy", "cut", "novelty"]), COUNTS),
    COUNTS,
)  # fmt: skip


@given(STAGE)
def test_what_is_read_is_dropped_once_or_kept(stage):
    found = steps({"instructions": stage, "round": 1})
    assert [line.kind for line in found[:2]] == ["asked", "read"]
    reached = found[1].count
    dropped = [line for line in found if line.kind == "dropped"]
    for line in dropped:  # each bar ends where the one before began
        assert line.start + line.count == reached
        reached = line.start
    assert [line.count for line in dropped] == sorted((d.count for d in dropped), reverse=True)
    added = [line for line in found if line.label.startswith("added")]
    assert [(line.count, line.start) for line in added] == [(stage["mined"], reached)] * bool(added)
    assert bool(added) == bool(stage["mined"])
    assert found[-1].kind == "kept"
    assert found[-1].count == reached + stage["mined"] == stage["accepted"]
    assert steps({"responses": {k: v for k, v in stage.items() if k != "candidates"}}) == [
        replace(line, label=line.label.replace("instructions", "responses")) for line in found
    ]


def test_stages_follow_each_other_down_to_what_was_trained_on():
    facts = {
        "instructions": {"accepted": 2, "calls": 3, "failed_calls": 1, "dropped": {"too_long": 4}},
        "responses": {"accepted": 1, "dropped": {}},
        "training": {"examples": 1},
    }
    assert [(line.label, line.count) for line in steps(facts)] == [
        ("instructions: asked (1 calls failed)", 3),
        ("instructions: read", 6),
        ("dropped: too long", 4),
        ("instructions: kept", 2),
        ("responses: read", 1),
        ("responses: kept", 1),
        ("trained on", 1),
    ]
    assert "too long" in str(funnel("f", facts))


def test_a_model_that_no_stage_tells_of_has_no_funnel():
    assert funnel("f", {"training": {"examples": 3}, "round": 1}) is None
