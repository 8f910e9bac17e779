"""The line that a finished job is told by."""

from __future__ import annotations

from bench.scoring import _summary_line
from harness.record import summarise
from harness.types import Record


def row(status, *errors, finish="stop"):
    responses = [{"finish": finish, **({"error": error} if error else {})} for error in errors]
    return {"id": status, "status": status, "metrics": {}, "responses": responses}


def test_what_failed_and_what_was_refused_is_told_in_the_servers_words():
    items = [
        row("error", "out of memory"), row("error", "cut"), row("error", "out of memory"),
        row("refused", "content filter (violence)"), row("ok", ""),
        row("unparseable", "", finish="reasoning"),
    ]  # fmt: skip
    summary = summarise(items, {"acc": len}, 6)
    line = _summary_line(Record({"main_metric": "acc", "metrics": {}}, tuple(items), summary))
    assert line == (
        "no score, n 6, unparseable 1, 1 ended inside the model's reasoning, "
        "3 failed (out of memory), 1 refused by the server (content filter (violence))"
    )
