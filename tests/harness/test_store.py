"""The response store: what is put is found again, whatever happens in between."""

import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.base import GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.store import ResponseStore, request_key
from harness.types import Decoding, Response

SPACE = {"model": "m", "adapter": "", "numerics": {"dtype": "float32"}}


def score(value: float) -> Response:
    return Response("loglikelihood", loglikelihood=value, greedy=True)


def test_round_trip_in_a_new_process(tmp_path):
    first = ResponseStore(tmp_path, SPACE)
    text = Response("generation", text="a\x00\ud800 ünï", finish="stop", tokens=3, cut_tokens=2)
    first.put([("k1", score(-1.25)), ("k2", text)])
    second = ResponseStore(tmp_path, SPACE)
    assert second.get("k1") == score(-1.25)
    assert second.get("k2") == text
    assert second.get("k3") is None


def test_two_spaces_never_share_an_answer(tmp_path):
    ResponseStore(tmp_path, SPACE).put([("k", score(-1.0))])
    assert ResponseStore(tmp_path, {**SPACE, "adapter": "x"}).get("k") is None


def test_failed_calls_are_asked_again(tmp_path):
    store = ResponseStore(tmp_path, SPACE)
    store.put([("k", Response("generation", status="error", error="boom"))])
    assert store.get("k") is None
    assert len(ResponseStore(tmp_path, SPACE)) == 0


def test_other_processes_answers_appear_after_refresh(tmp_path):
    one, two = ResponseStore(tmp_path, SPACE), ResponseStore(tmp_path, SPACE)
    one.put([("a", score(-1.0))])
    assert two.get("a") is None
    two.put([("b", score(-2.0))])
    two.refresh()
    assert two.get("a") == score(-1.0)
    assert two.get("b") == score(-2.0)


def test_truncation_at_any_byte_costs_only_the_torn_call(tmp_path):
    store = ResponseStore(tmp_path, SPACE)
    for index in range(3):
        store.put([(f"k{index}a", score(-index)), (f"k{index}b", score(-index))])
    (segment,) = store.folder.glob("*.jsonl")
    whole = segment.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        segment.write_bytes(whole[:length])
        reopened = ResponseStore(tmp_path, SPACE)
        calls = sum(end <= length for end in ends)
        assert len(reopened) == 2 * calls
        assert reopened.skipped_lines == 0


def test_a_damaged_line_is_skipped_and_counted(tmp_path):
    store = ResponseStore(tmp_path, SPACE)
    for index in range(3):
        store.put([(f"k{index}", score(-index))])
    (segment,) = store.folder.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"-1", b"-7")
    segment.write_bytes(b"".join(lines))
    reopened = ResponseStore(tmp_path, SPACE)
    assert reopened.skipped_lines == 1
    assert (reopened.get("k0"), reopened.get("k1"), reopened.get("k2")) == (
        score(0),
        None,
        score(-2),
    )


def test_a_full_disk_is_one_message_and_loses_nothing(tmp_path, monkeypatch):
    store = ResponseStore(tmp_path, SPACE)
    store.put([("before", score(-1.0))])
    real_write = os.write

    def half_then_full(handle, data):
        if len(data) > 10:
            return real_write(handle, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(UserError, match=r"No space left.*--out"):
        store.put([("lost", score(-2.0))])
    monkeypatch.undo()
    store.put([("after", score(-3.0))])
    reopened = ResponseStore(tmp_path, SPACE)
    assert reopened.skipped_lines == 0
    assert [reopened.get(k) for k in ("before", "lost", "after")] == [
        score(-1.0),
        None,
        score(-3.0),
    ]


tokens = st.lists(st.integers(0, 9), max_size=4).map(tuple)


@settings(max_examples=200)
@given(tokens, tokens, tokens, tokens)
def test_the_boundary_between_context_and_continuation_is_part_of_the_key(a, b, c, d):
    same = (a, b) == (c, d)
    assert (request_key(ScoreRequest(a, b)) == request_key(ScoreRequest(c, d))) == same


def test_decoding_is_part_of_the_key_where_it_matters():
    def key(**decoding):
        return request_key(GenerateRequest((1, 2), Decoding(**{"max_tokens": 8, **decoding})))

    assert key() == key(seed=3) == key(top_p=0.5)
    distinct = [
        key(),
        key(max_tokens=9),
        key(stop=("\n",)),
        key(temperature=1.0),
        key(temperature=1.0, seed=1),
        key(temperature=1.0, top_p=0.9),
    ]
    assert len(set(distinct)) == len(distinct)
