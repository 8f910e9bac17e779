"""The last lines of a run: what was shown, what cannot be; a method that lost is said to have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.closing import closing
from leaderboards.text.verdict import BETTER, WORSE, judged
from tests.leaderboards.records import record

SPEC = BoardSpec("made_up", title="Made up", resamples=300)


def board(values: dict[str, tuple[list[Any], list[Any]]]) -> Any:
    """Task -> the items' scores of the base and of what was made of it."""
    return build(
        [
            record(model, task, scores)
            for task, pair in values.items()
            for model, scores in zip(("tiny", "selfspec-tiny"), pair, strict=True)
        ],
        SPEC,
    )


def test_a_method_that_lost_is_said_to_have_lost() -> None:
    lines = closing(board({"a": ([1] * 30, [0] * 30), "b": ([1, 0] * 15, [1, 0] * 15)}))
    text = "\n".join(lines)
    assert "of 2 tasks surely better on none, surely worse on 1 (a)." in text
    assert "As it was made here, selfspec-tiny is no improvement on its base." in text
    assert lines.index("What it cannot show:") > lines.index("What this shows:")


def test_a_gain_is_said_and_nothing_else_of_it() -> None:
    text = "\n".join(closing(board({"a": ([0] * 30, [1] * 30), "b": ([0] * 30, [1] * 30)})))
    assert "surely better on 2 (a, b), surely worse on none." in text
    assert "no improvement" not in text
    assert "No gain" not in text


def test_what_was_not_shown_is_not_called_none_and_its_limit_is_told() -> None:
    scores = [int(i * 7 % 11 < 4) for i in range(24)]
    text = "\n".join(closing(board({"a": (scores, scores[3:] + scores[:3])})))
    assert "no difference shown" in text or "surely better on none, surely worse on none" in text
    assert "No gain of selfspec-tiny is shown here, and no harm" in text
    assert "With 24 items a task" in text
    assert "would mostly stay unseen; so few rank no models." in text


def test_an_item_asked_several_times_is_one_item() -> None:
    """Of two makes in two wordings there are four answers to each."""
    scores = [int(i * 7 % 11 < 4) for i in range(24)]
    made = [
        record("selfspec-tiny", "a", scores[3:] + scores[:3], wording=wording, **facts)
        for wording in (0, 1)
        for facts in ({}, {"make": 1, "make_of": "a" * 64, "artifact": "c" * 64})
    ]
    base = [record("tiny", "a", scores, wording=wording) for wording in (0, 1)]
    found = build([*base, *made], SPEC)
    assert found.sections[0].rows[1].cells[0].makes == (0, 1)
    text = "\n".join(closing(found))
    assert "With 24 items a task" in text


@pytest.mark.parametrize("models", [("tiny",), ("tiny", "other")])
def test_without_a_comparison_nothing_is_said(models: tuple[str, ...]) -> None:
    assert closing(build([record(model, "a", [1, 0] * 12) for model in models], SPEC)) == []


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(*[st.lists(st.integers(0, 1), min_size=12, max_size=12)] * 2),
        min_size=1,
        max_size=3,
    )
)
def test_it_says_of_each_task_what_the_verdict_says(pairs: list[Any]) -> None:
    made = board({f"t{number}": pair for number, pair in enumerate(pairs)})
    (section,) = made.sections
    (row,) = [row for row in section.rows if row.specializer]
    said = {
        word: {
            column.task
            for column, cell in zip(section.columns, row.cells, strict=True)
            if cell and cell.difference and judged(cell.difference) == word
        }
        for word in (BETTER, WORSE)
    }
    (line,) = [line for line in closing(made) if " against " in line]
    for word, names in said.items():
        told = line.partition(f"surely {word} on ")[2].partition(", surely")[0].rstrip(".")
        assert told == (f"{len(names)} ({', '.join(sorted(names))})" if names else "none")
