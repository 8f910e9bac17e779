"""Progress is a bar, plain lines, or silence."""

import io

from harness import progress as module
from harness.progress import NullProgress, PlainProgress, Step, open_progress


def test_a_log_gets_rate_and_time_left(monkeypatch):
    now = iter([0.0, 5.0, 12.0, 20.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    with Step(PlainProgress(stream), "score", 10, "items") as step:
        step.advance(1)
        step.advance(2)
    assert stream.getvalue().splitlines() == [
        "score: 3/10 items (0.2 items/s, 28 s left)",
        "score: 3 items in 20 s",
    ]


def test_a_short_step_says_nothing(monkeypatch):
    now = iter([0.0, 0.1, 0.2])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    with Step(PlainProgress(stream), "score", 1, "items") as step:
        step.advance(1)
    assert stream.getvalue() == ""


def test_quiet_is_silent_and_a_pipe_gets_plain_lines():
    assert isinstance(open_progress(quiet=True), NullProgress)
    assert isinstance(open_progress(quiet=False), PlainProgress)  # pytest captures stderr
