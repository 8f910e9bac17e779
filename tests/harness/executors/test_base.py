"""Which parts of a run may be done side by side."""

from __future__ import annotations

import pytest

from harness.errors import Unfinished, Unreachable
from harness.executors.base import LocalExecutor, plan_lanes
from harness.types import Job

BASES = {"a": "a", "rag-a": "a", "ft-a": "a", "b": "b"}


def jobs(*models: str) -> list[Job]:
    return [Job(m, BASES[m], "", "suite", task, 0) for m in models for task in ("t1", "t2")]


def test_lanes_hold_what_may_ask_the_same_of_the_same_weights():
    made = {"rag-a": False, "ft-a": True}
    lanes = plan_lanes(made, jobs("a", "rag-a", "ft-a", "b"), BASES)
    found = [
        (lane.base, lane.model, [(job.model, job.task) for job, _ in lane.jobs], lane.after)
        for lane in lanes
    ]
    assert found == [
        ("a", "rag-a", [], ()),
        ("a", "ft-a", [], ()),
        # rag only rewrites prompts: it asks the base itself, so it stays behind it.
        ("a", "", [("a", "t1"), ("rag-a", "t1")], ("rag-a",)),
        ("a", "", [("a", "t2"), ("rag-a", "t2")], ("rag-a",)),
        ("a", "", [("ft-a", "t1")], ("ft-a",)),
        ("a", "", [("ft-a", "t2")], ("ft-a",)),
        ("b", "", [("b", "t1")], ()),
        ("b", "", [("b", "t2")], ()),
    ]
    assert [text for lane in lanes for _, text in lane.jobs][-1] == "[8/8] b t2@0"


def test_the_local_executor_makes_models_before_it_scores_any():
    done = []

    class Worker:
        def specialise(self, model):
            done.append(model)

        def write(self, jobs):
            done.append([job.task for job in jobs])

        def record(self, job, label):
            done.append(label)
            return label

    found = LocalExecutor(Worker()).run(["ft-a"], jobs("a", "b"))
    assert done == [
        "ft-a",
        ["t1", "t2"],
        "[1/4] a t1@0",
        "[2/4] a t2@0",
        ["t1", "t2"],
        "[3/4] b t1@0",
        "[4/4] b t2@0",
    ]
    assert found == [line for line in done[1:] if isinstance(line, str)]


def test_a_model_that_answers_nothing_more_is_not_asked_again_and_others_are():
    asked: list[str] = []

    class OneIsAway:
        def specialise(self, model):
            pass

        def write(self, jobs):
            pass

        def record(self, job, label):
            asked.append(f"{job.model} {job.task}")
            if job.base == "away":
                raise Unreachable("its server is away")
            return label

    todo = [Job(model, model, "", "s", task, 0) for model in ("away", "here") for task in "abc"]
    with pytest.raises(Unfinished) as told:
        LocalExecutor(OneIsAway()).run([], todo)
    assert asked == ["away a", "here a", "here b", "here c"]
    assert told.value.messages == (
        "its server is away",
        "away: 2 further jobs were not asked.",
    )
    assert len(told.value.done) == 3
