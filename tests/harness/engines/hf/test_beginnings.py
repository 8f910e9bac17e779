"""Rounds of prompts write what each prompt alone would, and compute what they share once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.base import GenerateRequest
from harness.engines.hf.beginnings import SEEN, Beginnings
from harness.engines.hf.engine import HFEngine
from harness.engines.hf.network import Network
from harness.engines.prefix import Forest
from harness.types import Decoding
from tests.harness.engines.hf.test_engine import PATHS
from tests.harness.engines.hf.test_stream import PACKED, answer
from tests.harness.engines.tiny import write_adapter, write_model


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="module")
def network(llama: Path) -> Network:
    from transformers import AutoModelForCausalLM

    return Network(AutoModelForCausalLM.from_pretrained(llama).eval())


def some(source: random.Random, count: int) -> tuple[int, ...]:
    return tuple(source.randrange(4, 120) for _ in range(count))


def rounds(seed: int, count: int, size: int) -> list[list[GenerateRequest]]:
    """Each of a few prompts over each of three beginnings, one of them within another: too few
    for a beginning of a round's own."""
    source = random.Random(seed)
    first, second = some(source, 30), some(source, 40)
    inner = first + some(source, 20)
    return [
        [
            GenerateRequest(begin + some(source, source.randrange(1, 6)), Decoding(5))
            for begin in (first, second, inner)
            for _ in range(size)
        ]
        for _ in range(count)
    ]


@pytest.mark.parametrize("architecture", PATHS)
def test_texts_are_those_of_the_model_alone(architecture: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", architecture)
    engine, plain = HFEngine(folder, token_budget=60), HFEngine(folder, path="plain")
    for asked in rounds(3, 5, 3):
        assert answer(engine, asked) == answer(plain, asked)
    if architecture in PACKED:
        assert engine.report.tokens_computed < plain.report.tokens_computed / 3


def test_what_rounds_share_is_computed_a_few_times_and_not_in_each(llama: Path) -> None:
    """A beginning is one when eight prompts had it: in the third round of three prompts each."""
    asked = rounds(5, 12, 3)
    engine = HFEngine(llama, token_budget=200)
    for one in asked:
        answer(engine, one)
    distinct = Forest(request.prompt for one in asked for request in one).nodes
    apart = sum(Forest(request.prompt for request in one).nodes for one in asked)
    assert apart > 3 * distinct
    assert engine.report.tokens_computed < distinct + 3 * 90 + 50
    engine.release()
    before = engine.report.tokens_computed
    answer(engine, asked[0])
    fresh = Forest(request.prompt for request in asked[0]).nodes
    assert engine.report.tokens_computed - before >= fresh, "released is forgotten"


def test_adapters_share_no_beginning(tmp_path: Path, llama: Path) -> None:
    adapters = [None, *(write_adapter(tmp_path / f"lora{n}", llama, seed=n) for n in (1, 2))]
    engine = HFEngine(llama)
    for asked in rounds(7, 4, 3):
        for adapter in adapters:
            told = dict(pair for call in engine.generate(asked, adapter) for pair in call)
            alone = HFEngine(llama, path="plain")
            plain = dict(pair for call in alone.generate(asked, adapter) for pair in call)
            assert told == plain


@settings(max_examples=60)
@given(data=st.data())
def test_a_kept_beginning_is_that_of_its_tokens_alone(network: Network, data: Any) -> None:
    """Whatever was asked before it, and however little may be kept."""
    most = data.draw(st.sampled_from([0, 40, 10**6])) * network.bytes_per_token
    beginnings = Beginnings(network, most)
    tokens = st.lists(st.sampled_from([5, 6]), min_size=1, max_size=12)
    for prompt in data.draw(st.lists(tokens, min_size=1, max_size=6)):
        depth = data.draw(st.integers(0, len(prompt)))
        extends = data.draw(st.booleans())
        cache, more = beginnings.opened(tuple(prompt), depth, extends=extends)
        assert 0 <= more <= depth
        if not depth:
            continue
        alone = network.cache()
        network.logits(torch.tensor([prompt[:depth]]), torch.tensor([0]), cache=alone)
        for layer, like in zip(cache.layers, alone.layers, strict=True):
            assert layer.keys.shape == like.keys.shape
            assert torch.allclose(layer.keys, like.keys, atol=1e-5)
            assert torch.allclose(layer.values, like.values, atol=1e-5)
        again, none = beginnings.opened(tuple(prompt), depth, extends=extends)
        assert (again is cache, none) == (True, 0)
        assert beginnings._bytes() <= max(most, depth * network.bytes_per_token)


def test_the_latest_prompts_alone_are_remembered(network: Network) -> None:
    beginnings = Beginnings(network, 0)
    prompts = [(n, n) for n in range(SEEN + 5)]
    beginnings.note(None, prompts)
    assert beginnings.earlier(None) == prompts[5:]
    assert beginnings.earlier(Path("lora")) == []
