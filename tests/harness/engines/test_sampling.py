"""What may be drawn is what transformers' own warpers leave, with their probabilities."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ask import Asker
from harness.engines.writing import Writing, choose
from harness.errors import UserError
from harness.lm import StoredLM, decoding_of
from harness.progress import NullProgress
from harness.store import request_key
from harness.types import Decoding
from tests.harness.fakes import ScriptedEngine
from tests.harness.test_lm import instances

torch = pytest.importorskip("torch")


class NoTokens:
    eos_text = ""

    def decode(self, ids):
        return ""

    decode_all = decode


class Points:
    """Random numbers that are these."""

    def __init__(self, points):
        self._points = iter(points)

    def random(self):
        return next(self._points)


def writing(decoding, prompt=(0,), points=()):
    made = Writing(0, tuple(prompt), 0, decoding, NoTokens(), frozenset())
    made._random = Points(points)
    return made


def theirs(logits, how, prompt):
    """Probabilities after transformers' processors, in the order of its `generate`."""
    from transformers import (
        MinPLogitsWarper,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    ids, row = torch.tensor([list(prompt)]), logits[None].clone()
    if how.repetition_penalty != 1.0:
        row = RepetitionPenaltyLogitsProcessor(how.repetition_penalty)(ids, row)
    row = TemperatureLogitsWarper(how.temperature)(ids, row)
    if how.top_k:
        row = TopKLogitsWarper(how.top_k)(ids, row)
    if how.top_p < 1.0:
        row = TopPLogitsWarper(how.top_p)(ids, row)
    if how.min_p:
        row = MinPLogitsWarper(how.min_p)(ids, row)
    return row[0].softmax(-1)


GRID = 200


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    top_k=st.sampled_from([0, 1, 3, 20]),
    top_p=st.sampled_from([1.0, 0.9, 0.4]),
    min_p=st.sampled_from([0.0, 0.02, 0.3]),
    penalty=st.sampled_from([1.0, 1.3, 3.0]),
)
def test_draws_are_those_of_transformers(seed, top_k, top_p, min_p, penalty):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(24, generator=generator, dtype=torch.float64).float() * 2
    prompt = torch.randint(24, (5,), generator=generator).tolist()
    how = Decoding(GRID, (), 0.8, top_p, 0, top_k, min_p, penalty)
    wanted = theirs(logits, how, prompt)
    made = writing(how, prompt, [(n + 0.5) / GRID for n in range(GRID)])
    row = made.penalised(logits) if made.penalises else logits
    counts = torch.zeros(24)
    for _ in range(GRID):
        counts[made.sample(row)] += 1
    assert float((counts / GRID - wanted).abs().max()) <= 1.5 / GRID


@given(st.integers(0, 10_000), st.sampled_from([0.5, 1.5, 4.0]))
@settings(max_examples=30, deadline=None)
def test_a_greedy_answer_is_penalised_too(seed, penalty):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(12, generator=generator) * 2
    prompt = torch.randint(12, (4,), generator=generator).tolist()
    how = Decoding(8, repetition_penalty=penalty)
    wanted = theirs(logits, Decoding(8, (), 1.0, repetition_penalty=penalty), prompt)
    made = [writing(how, prompt), writing(Decoding(8), prompt)]
    found = choose(torch.stack([logits, logits]), made)
    assert float(wanted[found[0]]) == float(wanted.max())
    assert found[1] == int(logits.argmax())


def test_what_is_asked_beyond_makes_another_request():
    sampled = {"until": [], "do_sample": True, "temperature": 0.5, "max_gen_toks": 4}
    ways = [{}, {"top_k": 5}, {"min_p": 0.1}, {"repetition_penalty": 1.2}, {"top_k": 6}]
    decodings = [decoding_of({**sampled, **way}) for way in ways]
    from harness.engines.base import GenerateRequest

    keys = {request_key(GenerateRequest((1,), decoding)) for decoding in decodings}
    assert len(keys) == len(ways)
    assert decoding_of({**sampled, "top_k": 0, "min_p": 0.0}) == decodings[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 2.5}, ("top_k", "2.5", "whole number")),
        ({"top_k": -3}, ("top_k", "-3", "1 or more")),
        ({"min_p": 1.5}, ("min_p", "1.5", "from 0 to 1")),
        ({"repetition_penalty": 0}, ("repetition_penalty", "0", "more")),
        ({"repetition_penalty": "much"}, ("repetition_penalty", "much", "a number")),
        ({"length_penalty": 2}, ("unknown length_penalty", "top_k")),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_its_key(options, words):
    with pytest.raises(UserError) as refused:
        decoding_of({"until": [], "do_sample": True, "temperature": 0.5, **options})
    assert all(word in str(refused.value) for word in words)


def test_an_engine_that_cannot_is_not_asked():
    engine = ScriptedEngine()
    engine.special = frozenset({"top_k"})
    lm = StoredLM(Asker(engine, None, None, NullProgress()), "label")
    sampled = {"until": [], "do_sample": True, "temperature": 0.5, "max_gen_toks": 4}
    lm.respond(instances("generate_until", ("a", {**sampled, "top_k": 3})))
    with pytest.raises(UserError, match=r"generation_kwargs\.min_p: the engine 'scripted'"):
        lm.respond(instances("generate_until", ("a", {**sampled, "top_k": 3, "min_p": 0.1})))
