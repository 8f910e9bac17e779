"""lm-eval's requests -> token requests, and responses -> what lm-eval scores."""

import math

import pytest
from lm_eval.api.instance import Instance

from harness.ask import Asker
from harness.engines.base import GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.lm import StoredLM, as_result, decoding_of
from harness.progress import NullProgress
from harness.store import ResponseStore
from harness.types import Decoding, Response
from tests.harness.fakes import ScriptedEngine


class Listening(ScriptedEngine):
    """A scripted engine that keeps what it was asked."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = []

    def _run(self, requests, answered, answer):
        self.asked += requests
        return super()._run(requests, answered, answer)


def model(engine=None, store=None):
    return StoredLM(Asker(engine or Listening(), store, None, NullProgress()), "label")


def instances(kind, *arguments):
    return [Instance(kind, {}, args, index) for index, args in enumerate(arguments)]


def ids(text):
    return tuple(map(ord, text))


def test_trailing_spaces_of_a_context_belong_to_the_continuation():
    engine = Listening()
    model(engine).respond(instances("loglikelihood", ("ab  ", "c"), ("ab", " c")))
    assert engine.asked == [ScoreRequest(ids("ab"), ids("  c")), ScoreRequest(ids("ab"), ids(" c"))]


def test_an_empty_context_is_the_prefix_token_once():
    engine = Listening()
    model(engine).respond(instances("loglikelihood", ("", "abc"), ("", "\0abc")))
    assert engine.asked == [ScoreRequest((0,), ids("abc"))]  # equal requests are asked once


def test_a_long_text_is_scored_in_windows_of_the_models_length():
    engine = Listening()
    engine.max_length = 4
    (windows,) = model(engine).respond(instances("loglikelihood_rolling", ("abcdefghij",)))
    assert len(windows) == 3
    assert "".join(chr(i) for request in engine.asked for i in request.continuation) == "abcdefghij"
    assert engine.asked[0].context == (0,)
    assert model(engine).loglikelihood_rolling(
        instances("loglikelihood_rolling", ("abcdefghij",))
    ) == [-10.0]


def test_equal_sampled_requests_get_other_seeds_and_greedy_ones_one_answer():
    engine = Listening()
    sampled = {"until": [], "do_sample": True, "temperature": 0.5, "max_gen_toks": 4}
    greedy = {"until": [], "max_gen_toks": 4}
    asked = instances(
        "generate_until",
        ("a", sampled),
        ("b", sampled),
        ("a", sampled),
        ("a", greedy),
        ("a", greedy),
    )
    assert model(engine).generate_until(asked) == ["A", "B", "A", "A", "A"]
    assert [(r.prompt, r.decoding.seed) for r in engine.asked] == [
        (ids("a"), 0),
        (ids("b"), 0),
        (ids("a"), 1),
        (ids("a"), 0),
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Decoding(256)),
        ({"until": "x", "max_gen_toks": 3}, Decoding(3, ("x",))),
        ({"until": ["x", "", "y"], "max_new_tokens": 3}, Decoding(3, ("x", "y"))),
        ({"max_tokens": "7"}, Decoding(7)),
        ({"do_sample": False, "temperature": 0.7}, Decoding(256)),
        ({"temperature": 0.7}, Decoding(256, temperature=0.7)),
        ({"until": None, "max_gen_toks": "5", "temperature": "0"}, Decoding(5)),
        (
            {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "seed": 5},
            Decoding(256, (), 0.7, 0.9, 5),
        ),
    ],
)
def test_generation_options_are_normalised_as_lm_evals_backend_does(options, expected):
    before = dict(options)
    assert decoding_of(options) == expected
    assert options == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 4, "top_k": 5}, "unknown num_beams; expected until"),
        ({"do_sample": True, "temperature": 1.0, "top_k": 2.5}, "top_k"),
        ({"do_sample": True}, "no temperature above 0"),
        ({"do_sample": "false"}, r"do_sample: found 'false'; expected true or false"),
        ({"until": [3]}, r"until: found \[3\]; expected a text"),
        ({"until": 3}, "until: found 3; expected a text"),
        ({"max_gen_toks": 0}, "max_gen_toks: found 0; expected a whole number of 1 or more"),
        ({"max_new_tokens": "many"}, "max_new_tokens: found 'many'; expected a whole number"),
        ({"temperature": -1}, "temperature: found -1; expected a number of 0 or more"),
        ({"top_p": 2}, "top_p: found 2; expected a number from 0 to 1"),
        ({"seed": "x"}, "seed: found 'x'; expected a whole number"),
    ],
)
def test_generation_options_that_cannot_be_kept_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        decoding_of(options)


def test_a_failed_call_is_a_response_for_the_run_and_ends_lm_evals(tmp_path):
    asked = instances("generate_until", ("a", {}), ("b", {}))
    lm = model(ScriptedEngine(say=lambda text: "<fail>" if text == "b" else text))
    assert [r.status for (r,) in lm.respond(asked)] == ["ok", "error"]
    with pytest.raises(UserError, match=r"request 1 \(generate_until\): the call failed"):
        lm.generate_until(asked)


def test_neutral_results_of_failed_calls():
    failed = [Response("loglikelihood", status="error", error="x")]
    value, greedy = as_result("loglikelihood", failed)
    assert math.isnan(value)
    assert greedy is False
    assert as_result("generate_until", [Response("generation", status="error")]) == ""


def test_what_is_stored_is_not_asked_again(tmp_path):
    asked = instances("generate_until", *((text, {}) for text in "abcd"))
    first = model(store=ResponseStore(tmp_path, {"m": 1})).respond(asked)
    engine = Listening()
    again = model(engine, ResponseStore(tmp_path, {"m": 1}))
    assert again.respond(asked) == first
    assert engine.asked == []
    assert (again.counts.asked, again.counts.reused) == (4, 4)


def test_the_room_of_a_prompt_leaves_place_for_what_follows_it():
    engine = Listening()
    engine.max_length = 20
    lm = model(engine)
    generate, score = instances("generate_until", ("a", {"max_gen_toks": 5}), ("a", " yes"))
    assert (lm.room(generate), lm.room(score)) == (15, 17)
    assert lm.count_tokens("abc") == 3


def test_nothing_asked_is_nothing_answered():
    assert model().respond([]) == []
    assert model().generate_until([]) == []


def test_a_generation_request_is_the_prompt_as_encoded():
    engine = Listening()
    model(engine).respond(instances("generate_until", ("a b ", {"until": ["\n"]})))
    assert engine.asked == [GenerateRequest(ids("a b "), Decoding(256, ("\n",)))]
