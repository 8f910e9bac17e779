"""The vLLM engine against the transformers engine, on a tiny random Llama.

Run by `make test-vllm`, in an environment where vLLM is installed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engines.base import EngineReport, GenerateRequest, ScoreRequest
from harness.engines.hf.engine import HFEngine
from harness.engines.vllm.engine import VLLMEngine
from harness.engines.vllm.following import StepRequest
from harness.engines.vllm.process import adapter_id
from harness.engines.vllm.steps import Tally
from harness.errors import UserError
from harness.identity.things import adapter_identity
from harness.types import Decoding, Response
from tests.harness.engines.tiny import write_adapter
from tests.vllm.tiny import LONGEST, write_llama

pytestmark = pytest.mark.vllm

# Room for 64 blocks of 32 tokens and eight requests at a time: so little that the order of
# requests decides what is still cached.
BLOCK_BYTES = 2 * 2 * 32 * 4 * 32  # layers, keys and values, head size, float32, tokens
LITTLE = {"kv_cache_memory_bytes": 64 * BLOCK_BYTES, "max_num_seqs": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def adapters(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("adapters")
    return [write_adapter(root / str(seed), folder, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[VLLMEngine]:
    engine = VLLMEngine(folder, dtype="float32", **LITTLE)
    yield engine
    engine.release()


@pytest.fixture(scope="module")
def plain(folder: Path) -> HFEngine:
    return HFEngine(folder, dtype="float32", max_length=LONGEST - 1)


def words(source: random.Random, count: int) -> tuple[int, ...]:
    return tuple(source.randrange(4, 60) for _ in range(count))


def answers(engine: Any, kind: str, asked: list[Any], adapter: Path | None) -> list[Response]:
    found: dict[int, Response] = {}
    for call in getattr(engine, kind)(asked, adapter):
        found.update(call)
    return [found[i] for i in range(len(asked))]


def score_requests(plain: HFEngine, adapter: Path | None) -> list[ScoreRequest]:
    """Answers of one and of several tokens, with shared beginnings, over-long, and greedy."""
    source = random.Random(5)
    shots = words(source, 70)
    asked = []
    for _ in range(5):
        context = shots + words(source, source.randrange(5, 30))
        start = words(source, 2)
        for answer in (words(source, 1), words(source, 1), start, (*start, 9), (*start, 11, 12)):
            asked.append(ScoreRequest(context, answer))
        (likely,) = answers(plain, "generate", [GenerateRequest(context, Decoding(2))], adapter)
        tokens = plain.tokens.encode(likely.text or "", add_special_tokens=False)
        asked.append(ScoreRequest(context, tuple(tokens) or (4,)))
    asked.append(ScoreRequest(words(source, 300), words(source, 3)))
    asked.append(ScoreRequest((1,), words(source, 4)))
    return asked


@pytest.mark.parametrize("which", [None, 0, 1])
def test_scores_are_those_of_the_transformers_engine(engine, plain, adapters, which):
    adapter = None if which is None else adapters[which]
    asked = score_requests(plain, adapter)
    found, expected = (answers(e, "score", asked, adapter) for e in (engine, plain))
    for one, other in zip(found, expected, strict=True):
        assert one.loglikelihood == pytest.approx(other.loglikelihood, abs=1e-4)
        assert (one.greedy, one.tokens, one.cut_tokens) == (
            other.greedy, other.tokens, other.cut_tokens,
        )  # fmt: skip
    assert len({response.greedy for response in found}) == 2  # both kinds were compared


@pytest.mark.parametrize("which", [None, 0, 1])
def test_greedy_texts_are_those_of_the_transformers_engine(engine, plain, adapters, which):
    source = random.Random(7)
    shots = words(source, 40)
    asked = [
        GenerateRequest(shots + words(source, 1 + i), Decoding(24, stops))
        for i, stops in enumerate([(), (" w3",), (" w9", " w1"), ("</s>",), (), (" w40",)])
    ]
    asked.append(GenerateRequest(words(source, 400), Decoding(5)))
    adapter = None if which is None else adapters[which]
    assert answers(engine, "generate", asked, adapter) == answers(plain, "generate", asked, adapter)


def test_base_and_adapters_answer_in_one_batch(engine, plain, adapters):
    from vllm import SamplingParams

    source = random.Random(11)
    prompts = [words(source, 50) for _ in range(2)]
    params = SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=[8])
    asks = [
        StepRequest((which, prompt), prompt, params, adapter)
        for prompt in prompts
        for which, adapter in enumerate([None, *adapters])
    ]
    steps = list(engine._process.run(iter(asks)))
    # Steps go on while requests come in, so six may end in two of them; not each in its own.
    assert any(len({answer.key[0] for answer in step}) > 1 for step in steps)
    for answer in (answer for step in steps for answer in step):
        which, prompt = answer.key
        adapter = [None, *adapters][which]
        (expected,) = answers(plain, "score", [ScoreRequest(prompt, (8,))], adapter)
        value = answer.output.logprobs[0][8].logprob
        assert value == pytest.approx(expected.loglikelihood, abs=1e-4)


def several_tokens(seed: int) -> list[ScoreRequest]:
    """Six texts after one beginning, each with five answers of two to eight tokens."""
    source = random.Random(seed)
    shots = words(source, 77)
    asked = []
    for _ in range(6):
        context = shots + words(source, source.randrange(5, 40))
        start = words(source, 3)
        ends = (words(source, 1), words(source, 3), (9, *words(source, 2)), (9, 8, 7, 6, 5))
        asked += [ScoreRequest(context, answer) for answer in (start, *(start + e for e in ends))]
    return asked


def test_each_token_of_answers_of_several_is_computed_once(engine, plain):
    asked = several_tokens(31)
    engine.report = EngineReport()
    found = answers(engine, "score", asked, None)
    report = engine.report
    print(f"{report.tokens_computed} tokens computed, {report.distinct_nodes} distinct")
    assert report.distinct_nodes <= report.tokens_computed <= 1.1 * report.distinct_nodes
    for one, other in zip(found, answers(plain, "score", asked, None), strict=True):
        assert one.loglikelihood == pytest.approx(other.loglikelihood, abs=1e-4)
        assert one.greedy == other.greedy


def test_base_and_adapters_follow_their_own_steps_in_one_batch(engine, plain, adapters):
    asked = several_tokens(37)
    models = [None, *adapters]
    tallies = [Tally(dict(enumerate(asked)), LONGEST - 1) for _ in models]
    steps = [
        engine._steps(tally.nodes(range(len(asked)), engine._process.block_size), adapter)
        for tally, adapter in zip(tallies, models, strict=True)
    ]
    found: list[dict[int, Response]] = [{} for _ in models]
    mixed = False

    def own(which: int, step: StepRequest) -> StepRequest:
        then = (own(which, follower) for follower in step.then)
        return replace(step, key=(which, step.key), then=then)

    turns = (
        own(which, step) for turn in zip(*steps, strict=True) for which, step in enumerate(turn)
    )
    for batch in engine._process.run(turns):
        mixed |= len({answer.key[0] for answer in batch}) > 1
        for answer in batch:
            which, node = answer.key
            found[which].update(tallies[which].take(replace(answer, key=node)))
    assert mixed
    for responses, adapter in zip(found, models, strict=True):
        expected = answers(plain, "score", asked, adapter)
        assert [responses[i].loglikelihood for i in range(len(asked))] == pytest.approx(
            [response.loglikelihood for response in expected], abs=1e-4
        )


def test_without_tails_scores_are_the_same(folder, engine, monkeypatch):
    """Where vLLM takes no KV connector, each step computes what follows the last whole block."""
    asked = several_tokens(41)
    shared = answers(engine, "score", asked, None)
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    alone = VLLMEngine(folder, dtype="float32", **LITTLE)
    try:
        found = answers(alone, "score", asked, None)
    finally:
        alone.release()
    assert alone.report.tokens_computed > 1.3 * alone.report.distinct_nodes
    assert [response.loglikelihood for response in found] == pytest.approx(
        [response.loglikelihood for response in shared], abs=1e-4
    )


def test_an_adapter_is_known_by_its_content(adapters, tmp_path):
    numbers = {adapter_id(adapter_identity(adapter)) for adapter in adapters}
    assert len(numbers) == 2
    assert min(numbers) > 0
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in adapters[0].iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert adapter_identity(copy) == adapter_identity(adapters[0])


def test_a_sample_depends_on_its_own_seed_alone(engine):
    source = random.Random(3)
    prompt = words(source, 20)
    asked = [GenerateRequest(prompt, Decoding(12, (), 1.0, 0.95, seed)) for seed in range(6)]
    together = [r.text for r in answers(engine, "generate", asked, None)]
    alone = [answers(engine, "generate", [one], None)[0].text for one in reversed(asked)]
    assert together == alone[::-1]
    assert len(set(together)) > 1


@pytest.mark.parametrize(
    "narrow", [{"top_k": 1}, {"min_p": 1.0}, {"top_p": 1e-9}], ids=["top_k", "min_p", "top_p"]
)
def test_what_leaves_the_likeliest_token_alone_draws_the_greedy_text(engine, plain, narrow):
    source = random.Random(23)
    prompts = [words(source, 20 + i) for i in range(6)]
    drawn = [GenerateRequest(p, Decoding(10, (), 1.5, **narrow)) for p in prompts]
    free = [GenerateRequest(p, Decoding(10, (), 1.5)) for p in prompts]
    greedy = answers(plain, "generate", [GenerateRequest(p, Decoding(10)) for p in prompts], None)
    assert answers(engine, "generate", drawn, None) == greedy
    assert answers(engine, "generate", free, None) != greedy


def test_a_penalty_on_repetition_is_the_transformers_engines(engine, plain):
    source = random.Random(29)
    prompts = [words(source, 20 + i) for i in range(6)]
    asked = [GenerateRequest(p, Decoding(16, repetition_penalty=1.8)) for p in prompts]
    found, expected = (answers(e, "generate", asked, None) for e in (engine, plain))
    assert found == expected
    bare = [GenerateRequest(p, Decoding(16)) for p in prompts]
    assert answers(engine, "generate", bare, None) != found


def test_order_decides_what_the_cache_still_has(engine):
    """The same requests as they come from a task, item after item, and in the tree's order."""
    from vllm import SamplingParams

    source = random.Random(13)
    documents = [words(source, 170) for _ in range(24)]
    # One kind of answer after the other, as two tasks over the same documents would ask.
    asked = [
        ScoreRequest(document, (first, 5)) for first in (8, 9, 10, 11) for document in documents
    ]

    def rate(computed: int, tokens: int) -> float:
        return 1 - computed / tokens

    params = SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=[5])
    asks = [StepRequest(i, r.context + r.continuation[:1], params) for i, r in enumerate(asked)]
    given = [a for step in engine._process.run(iter(asks)) for a in step]
    before = rate(
        sum(a.prompt_tokens - a.cached_tokens for a in given), sum(a.prompt_tokens for a in given)
    )
    engine.report = EngineReport()
    answers(engine, "score", asked, None)
    after = rate(engine.report.tokens_computed, engine.report.tokens_asked)
    print(f"prefix-cache hit rate: {before:.2f} as given, {after:.2f} in the tree's order")
    assert before < 0.2
    assert after > 0.6


def test_what_is_answered_is_not_asked(engine):
    source = random.Random(17)
    asked = [ScoreRequest(words(source, 40), words(source, 2)) for _ in range(6)]
    engine.report = EngineReport()
    found = dict(pair for call in engine.score(asked, None, {0, 2, 4}) for pair in call)
    assert sorted(found) == [1, 3, 5]
    assert engine.report.tokens_asked == 3 * 41
    assert list(engine.score(asked, None, set(range(6)))) == []


def test_a_caller_that_stops_leaves_nothing_running(engine):
    source = random.Random(19)
    asked = [GenerateRequest(words(source, 30), Decoding(5 + i)) for i in range(30)]
    calls = engine.generate(asked)
    first = next(calls)
    calls.close()
    assert 0 < len(first) < len(asked)
    assert not engine._process._engine.has_unfinished_requests()


def test_numerics_tell_the_engines_apart(engine, plain, folder):
    assert engine.numerics["engine"] == "vllm" != plain.numerics["engine"]
    # How much runs at a time does not change an answer's key, another arithmetic does.
    assert VLLMEngine(folder, dtype="float32").numerics == engine.numerics
    assert VLLMEngine(folder, dtype="bfloat16").numerics != engine.numerics
    other = VLLMEngine(folder, dtype="float32", kv_cache_dtype="fp8")
    assert other.numerics != engine.numerics


def test_mistakes_are_told(engine, folder, tmp_path):
    with pytest.raises(UserError, match="quantization"):
        VLLMEngine(folder, quantisation="nf4")
    wrong = VLLMEngine(folder, no_such_argument=1)
    with pytest.raises(UserError, match=r"no_such_argument.*EngineArgs"):
        list(wrong.score([ScoreRequest((5,), (6,))]))
    with pytest.raises(UserError, match=r"adapter_config\.json"):
        list(engine.score([ScoreRequest((5,), (6,))], tmp_path))
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 128}')
    with pytest.raises(UserError, match="max_lora_rank"):
        list(engine.score([ScoreRequest((5,), (6,))], tmp_path))


def test_release_ends_its_processes_and_the_next_call_starts_them(engine):
    import multiprocessing

    (before,) = answers(engine, "score", [ScoreRequest((5, 6, 7), (8,))], None)
    assert multiprocessing.active_children()
    engine.release()
    assert not multiprocessing.active_children()
    (after,) = answers(engine, "score", [ScoreRequest((5, 6, 7), (8,))], None)
    assert after == before
