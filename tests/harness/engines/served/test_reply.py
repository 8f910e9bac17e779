"""What a model refused is no answer, however its server says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.engines.served.reply import read_events, read_written

NO = "No, I cannot help with that."


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": NO},
        {"content": "", "refusal": NO},
        {"content": [{"type": "refusal", "refusal": NO}]},
    ],
)
def test_a_refusal_is_no_answer(message: dict[str, Any]) -> None:
    written = read_written({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert written.finish == "refused"
    assert NO in written.said


@pytest.mark.parametrize("message", [{"content": "no", "refusal": None}, {"content": "no"}])
def test_an_answer_is_one_where_nothing_was_refused(message: dict[str, Any]) -> None:
    written = read_written({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert (written.text, written.finish, written.said) == ("no", "stop", "")


def stream(*deltas: Any) -> bytes:
    events = [{"choices": [{"delta": delta}]} for delta in deltas]
    told = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*told, "data: [DONE]\n\n"]).encode()


@pytest.mark.parametrize(
    "form",
    [
        lambda said: {"refusal": said},
        lambda said: {"content": [{"type": "refusal", "refusal": said}]},
    ],
)
def test_a_refusal_in_events_is_one(form: Callable[[str], Any]) -> None:
    refused = read_events(stream(form(NO[:5]), form(NO[5:])))
    answered = read_events(stream({"content": "no"}))
    assert refused is not None
    assert answered is not None
    assert read_written(refused).finish == "refused"
    assert NO in read_written(refused).said
    assert read_written(answered).finish == "stop"


@pytest.mark.parametrize("delta", ["yes", ["yes"], 1])
def test_an_event_of_another_form_is_a_broken_answer(delta: Any) -> None:
    with pytest.raises(ValueError, match="delta is no object"):
        read_events(stream(delta))
