"""Counting what a run asks, and the time it takes at a given speed."""

from __future__ import annotations

import pytest

from harness.ask import Asker
from harness.engines.base import GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.forecast.requests import (
    CountingEngine,
    RoughTokens,
    Throughput,
    Work,
    expected_passes,
    expected_tokens,
)
from harness.forecast.throughput import stated
from harness.progress import NullProgress
from harness.store import ResponseStore
from harness.types import Decoding
from tests.harness.fakes import CharTokens, ScriptedEngine


def test_scores_and_generations_are_counted_with_what_they_share():
    engine = CountingEngine(CharTokens(), 100, {})
    list(engine.score([ScoreRequest((1, 2, 3), (4,)), ScoreRequest((1, 2, 3), (5, 6))]))
    # 1 2 3 and 1 2 3 5: the last token of a score is never an input.
    assert engine.take() == Work(requests=2, asked=7, computed=4)
    list(
        engine.generate(
            [GenerateRequest((1, 2), Decoding(8)), GenerateRequest((1, 3), Decoding(4))]
        )
    )
    assert engine.take() == Work(requests=2, asked=4, computed=3, bound=12)
    assert engine.longest == 10
    assert engine.take() == Work()


def test_what_the_store_has_is_not_counted_and_nothing_is_stored(tmp_path):
    requests = [GenerateRequest(tuple(map(ord, text)), Decoding(4)) for text in ("ab", "ac", "ad")]
    space = {"model": "m"}
    real = Asker(ScriptedEngine(), ResponseStore(tmp_path, space), None, NullProgress())
    real.generate(requests[:2], "")
    counting = CountingEngine(CharTokens(), 100, {})
    Asker(counting, ResponseStore(tmp_path, space), None, NullProgress()).generate(requests, "")
    work = counting.take()
    assert (work.requests, work.stored, work.asked, work.bound) == (3, 2, 2, 4)
    assert len(ResponseStore(tmp_path, space)) == 2


def test_seconds_are_the_sum_of_the_parts():
    speed = Throughput(prefill=100, decode=10)
    assert speed.seconds(Work(computed=300, expected=20)) == pytest.approx(5.0)
    assert speed.seconds(Work(training=1000)) == pytest.approx(26.0)
    assert speed.seconds(Work(training=1000), checkpointing=True) == pytest.approx(36.0)
    assert Throughput(100, 10, training=50).seconds(Work(training=1000)) == pytest.approx(20.0)


def test_a_step_of_decoding_costs_something_whatever_it_holds():
    speed = Throughput(prefill=100, decode=10, step=0.5)
    assert speed.seconds(Work(expected=20, passes=10)) == pytest.approx(7.0)


def test_the_longest_row_decides_how_many_steps_there_are():
    assert expected_passes([], 100) == 0
    assert expected_passes([10], 100) == pytest.approx(0.15 * 100 + 0.85 * 10)
    # Of many rows one runs to the limit, but not of a model that learned to stop.
    assert expected_passes([10] * 60, 100) == pytest.approx(100, abs=1)
    assert expected_passes([10, 20, 10], 100, trained=True) == 20
    # 64 rows at a time.
    assert expected_passes([10] * 640, 10, trained=True) == 100


def test_a_model_writes_its_answer_and_some_more_but_no_more_than_it_may():
    assert expected_tokens(10, 100) == pytest.approx(25)
    assert expected_tokens(40, 32) == 32
    assert expected_tokens(40, 100, trained=True) == 30


@pytest.mark.parametrize("text", ["", "prefill=1", "prefill=0,decode=1", "prefill=1,decode=x,",
                                  "prefill=1,decode=2,speed=3"])  # fmt: skip
def test_a_faulty_speed_is_told_with_an_example(text):
    with pytest.raises(UserError, match="expected tokens a second of one device, such as prefill="):
        stated(text)


def test_a_stated_speed_is_read():
    assert stated("prefill=900, decode=150,training=80") == Throughput(900, 150, 80)


def test_rough_tokens_share_what_texts_share():
    tokens = RoughTokens(chat=False)
    one, other = tokens.encode("The heart beats fast."), tokens.encode("The heart stops.")
    assert one[:2] == other[:2]
    assert one[2:] != other[2:]
    # About four characters a token of English.
    text = "Interactions between the anticoagulant and the antibiotic were observed in mice. " * 9
    assert 3 < len(text) / len(tokens.encode(text)) < 6
