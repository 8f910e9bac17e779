"""Look-up first, the engine for the rest, each call kept."""

import pytest

from harness.ask import Asker
from harness.engines.base import GenerateRequest, ScoreRequest
from harness.progress import NullProgress
from harness.store import ResponseStore
from harness.types import Decoding
from tests.harness.fakes import ScriptedEngine

SPACE = {"model": "m"}


def prompts(*texts):
    return [GenerateRequest(tuple(map(ord, text)), Decoding(max_tokens=9)) for text in texts]


def asker(tmp_path, engine):
    return Asker(engine, ResponseStore(tmp_path, SPACE), None, NullProgress())


def test_answers_come_back_in_order_and_equal_requests_are_asked_once(tmp_path):
    engine = ScriptedEngine()
    answers = asker(tmp_path, engine).generate(prompts("a", "b", "a", "c"), "label")
    assert [answer.text for answer in answers] == ["A", "B", "A", "C"]
    assert engine.calls == [[0, 1], [2]]


def test_a_second_run_asks_nothing(tmp_path):
    asker(tmp_path, ScriptedEngine()).generate(prompts("a", "b", "c"), "label")
    engine = ScriptedEngine(say=lambda _: "never")
    second = asker(tmp_path, engine)
    assert [a.text for a in second.generate(prompts("c", "a"), "label")] == ["C", "A"]
    assert engine.calls == []
    assert (second.counts.asked, second.counts.reused) == (2, 2)


def test_an_interrupted_run_repeats_no_finished_call(tmp_path):
    requests = prompts(*"abcdefg")
    stopped = ScriptedEngine(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        asker(tmp_path, stopped).generate(requests, "label")
    resumed = ScriptedEngine()
    answers = asker(tmp_path, resumed).generate(requests, "label")
    assert [answer.text for answer in answers] == list("ABCDEFG")
    assert stopped.calls + resumed.calls == [[0, 1], [2, 3], [4, 5], [6]]


def test_a_failed_call_is_an_error_and_is_asked_again(tmp_path):
    failing = ScriptedEngine(say=lambda text: "<fail>" if text == "b" else text)
    answers = asker(tmp_path, failing).generate(prompts("a", "b"), "label")
    assert [answer.status for answer in answers] == ["ok", "error"]
    retry = ScriptedEngine()
    assert asker(tmp_path, retry).generate(prompts("a", "b"), "label")[1].text == "B"
    assert retry.calls == [[1]]


def test_scores_and_texts_do_not_meet(tmp_path):
    both = asker(tmp_path, ScriptedEngine())
    both.generate(prompts("a"), "label")
    (scored,) = both.score([ScoreRequest((97,), (98, 99))], "label")
    assert scored.loglikelihood == -2.0
