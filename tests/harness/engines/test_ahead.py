"""What was answered ahead is shared out whole, whoever asks for it and in whatever order."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.ahead import Ahead, add
from harness.engines.base import EngineReport

COUNTS = st.integers(0, 10**6)


@given(
    st.lists(st.dictionaries(st.text("abcdef", min_size=1), st.tuples(COUNTS, COUNTS)), max_size=3),
    COUNTS,
    st.lists(st.lists(st.text("abcdef", min_size=1)), max_size=6),
)
def test_the_shares_of_all_jobs_add_up(
    streams: list[dict[str, tuple[int, int]]], work: int, jobs: list[list[str]]
) -> None:
    ahead, whole = Ahead(), EngineReport()
    for costs in streams:
        report = EngineReport(calls=work % 7, tokens_generated=work, seconds_decode=work / 3)
        report.path = "packed"
        ahead.put(costs, report, 2.0)
        if costs:
            add(whole, report)
    total, seconds, found = 0, 0.0, EngineReport()
    everything = [key for costs in streams for key in costs]
    for keys in [*jobs, everything]:
        count, share, spent = ahead.take(keys)
        assert all(value >= 0 for value in asdict(share).values() if value != share.path)
        total, seconds = total + count, seconds + spent
        add(found, share)
    assert total == len(everything)
    assert seconds == pytest.approx(2.0 * sum(map(bool, streams)))
    assert found.seconds_decode == pytest.approx(whole.seconds_decode)
    found.seconds_decode = whole.seconds_decode
    assert found == whole
    assert ahead.take(everything)[0] == 0


def test_reading_is_shared_out_by_prompts_and_writing_by_answers() -> None:
    ahead = Ahead()
    work = EngineReport(tokens_generated=40, tokens_computed=400)
    work.seconds_prefill, work.seconds_decode = 4.0, 8.0
    ahead.put({"a": (10, 30), "b": (90, 10)}, work, 24.0)
    count, share, seconds = ahead.take(["a", "unknown"])
    assert (count, share.tokens_computed, share.tokens_generated) == (1, 40, 30)
    assert (share.seconds_prefill, share.seconds_decode) == (0.4, 6.0)
    assert seconds == pytest.approx(24.0 * 6.4 / 12.0)
