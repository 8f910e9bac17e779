"""What becomes of a part that a node could not do; over real clusters: tests/ray."""

from types import SimpleNamespace

import pytest

from harness.errors import UserError
from harness.executors.base import Lane
from harness.executors.ray import _Cluster, _Running, _Work
from harness.progress import NullProgress
from harness.types import Job


class Parts:
    """An actor, and Ray over it: a part is what it gives."""

    def __init__(self):
        self.asked = []
        self.record = SimpleNamespace(remote=self._record)
        self.close = SimpleNamespace(remote=lambda: "closed")
        self.killed = 0

    def _record(self, job, label, with_it):
        assert job in with_it
        self.asked.append(job)
        return job.task

    def get(self, part):
        return part

    def kill(self, actor):
        self.killed += 1


def cluster(parts):
    made = object.__new__(_Cluster)
    made._ray, made._lost, made._step = parts, (), NullProgress()
    made._places, made.faults, made._made = {}, [], set()
    made._waiting, made._running = [], {}
    return made


def jobs(*tasks):
    return [Job("m", "m", "", "s", task, 0, 0, 0, "auto") for task in tasks]


def test_a_job_that_fails_is_told_and_the_next_is_asked():
    parts = Parts()
    made, (one, two) = cluster(parts), jobs("one", "two")
    running = _Running(parts, _Work(Lane("m", jobs=((one, "[1/2]"), (two, "[2/2]")))))
    made._finish(("its scoring fails", ""), running)
    assert made.faults == ["its scoring fails"]
    assert parts.asked == [two]
    made._finish(("", "two@0.0"), made._running.popitem()[1])
    assert made._places == {two: "two@0.0"}
    assert parts.killed == 1
    assert not made._running


def test_a_model_that_cannot_be_made_ends_the_run():
    parts = Parts()
    with pytest.raises(UserError, match="no seeds"):
        cluster(parts)._finish(("no seeds", ""), _Running(parts, _Work(Lane("m", model="x-m"))))
