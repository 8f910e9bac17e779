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


def test_a_notebook_gets_one_line_that_is_rewritten():
    import nbclient
    import nbformat

    code = """
import time
from harness.progress import Step, open_progress
with Step(open_progress(quiet=False), "answer <b>", 3, "items") as step:
    for _ in range(3):
        time.sleep(0.6)
        step.advance(1)
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (shown,) = notebook.cells[0].outputs
    assert "answer &lt;b&gt; <progress max='3' value='3'>" in shown.data["text/html"]
