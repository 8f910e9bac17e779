"""What may be drawn is what transformers' own warpers leave, with their probabilities."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
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


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    flat=st.sampled_from([0.1, 1.0, 4.0, 20.0]),
    top_k=st.sampled_from([0, 0, 7, 30, 90]),
    top_p=st.sampled_from([1.0, 0.999, 0.9, 0.3]),
    min_p=st.sampled_from([0.0, 0.0, 1e-4, 0.02]),
    point=st.floats(0, 1, exclude_max=True),
)
def test_a_draw_is_that_of_the_whole_vocabulary_in_order(seed, flat, top_k, top_p, min_p, point):
    """However many tokens are looked at first; the reference is numpy's, over all tokens."""
    random = np.random.default_rng(seed)
    logits = torch.tensor(random.permutation(100) * flat / 25 + random.random(100) / 1000).float()
    how = Decoding(8, (), 0.8, top_p, 0, top_k, min_p)
    values = np.sort(((logits / 0.8).softmax(-1)).numpy())[::-1]
    order = np.argsort(-(logits / 0.8).softmax(-1).numpy(), kind="stable")
    values = values[: top_k or 100]
    if top_k:
        values = values / values.sum()
    mass = np.cumsum(values.astype(np.float64))
    left = np.ones(len(values), dtype=bool)
    if top_p < 1:
        left &= mass - values < top_p
    if min_p:
        left &= values >= np.float32(min_p) * values[0]
    count = max(1, int(left.sum()))
    bound = mass[count - 1] * point
    assume(np.abs(mass - bound).min() > 1e-6 and (top_p == 1 or np.abs(mass - top_p).min() > 1e-6))
    wanted = order[min(int((mass[:count] <= bound).sum()), count - 1)]
    for first in (1, 5, 40, 1024):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("harness.engines.writing.NUCLEUS", first)
            assert writing(how, points=[point]).sample(logits) == wanted


def test_a_draw_among_the_likeliest_sorts_no_vocabulary(monkeypatch):
    monkeypatch.setattr("harness.engines.writing.NUCLEUS", 8)
    sorts = []
    sort = torch.Tensor.sort
    monkeypatch.setattr(torch.Tensor, "sort", lambda *a, **k: sorts.append(1) or sort(*a, **k))
    logits = torch.linspace(40, 0, 100)  # eight tokens have over 0.95 of the mass
    made = writing(Decoding(8, (), 1.0), points=[0.0, 0.5, 0.9, 0.999999])
    assert [made.sample(logits) for _ in range(3)] == [0, 1, 5]
    assert not sorts
    assert made.sample(logits) > 8
    assert len(sorts) == 1


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
