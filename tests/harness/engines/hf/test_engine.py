"""The engine against lm-eval's transformers backend and its own plain path."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from harness.engines.base import EngineReport, GenerateRequest, ScoreRequest
from harness.engines.hf.engine import HFEngine
from harness.errors import UserError
from harness.types import Decoding, Response
from tests.harness.engines.tiny import configurations, write_adapter, write_model

PATHS = dict.fromkeys(configurations(), "packed") | {"mpt": "branched"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        name: write_model(root / name, name, bos=name in ("gemma3", "falcon")) for name in PATHS
    }


def words(source: random.Random, count: int) -> str:
    return "".join(f" w{source.randrange(40)}" for _ in range(count))


def pairs(seed: int, longest: int = 30) -> list[tuple[str, str]]:
    """Contexts over two shared beginnings, several answers each, some over-long."""
    source = random.Random(seed)
    found = []
    for root in (words(source, 20), words(source, 3)):
        for _ in range(4):
            context = root + words(source, source.randrange(1, longest))
            answers = [words(source, source.randrange(1, 5)) for _ in range(3)]
            found += [(context, answer) for answer in [*answers, answers[0] + " w1"]]
    found.append((words(source, 120), words(source, 4)))
    found.append(("", words(source, 6)))
    return found


def hflm(folder: Path, adapter: Path | None = None, batch_size: int = 4, **options: Any) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(
        str(folder),
        dtype="float32",
        device="cpu",
        batch_size=batch_size,
        peft=str(adapter) if adapter else None,
        **options,
    )


def instances(kind: str, arguments: list[Any]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, args, index) for index, args in enumerate(arguments)]


def requests(engine: HFEngine, texts: list[tuple[str, str]]) -> list[ScoreRequest]:
    from lm_eval.api.model import TemplateLM

    class Encoder(TemplateLM):  # lm-eval's own way from text to tokens
        eot_token_id = prefix_token_id = engine.tokens.prefix_id

        def tok_encode(self, string: str, add_special_tokens: bool | None = None) -> list[int]:
            return engine.tokens.encode(string, add_special_tokens)

        def _loglikelihood_tokens(self, requests: Any, **_: Any) -> Any:
            return [ScoreRequest(tuple(c), tuple(a)) for _, c, a in requests]

        loglikelihood_rolling = generate_until = None

    return Encoder().loglikelihood(instances("loglikelihood", texts), disable_tqdm=True)


def answers(calls: Any, count: int) -> list[Response]:
    found: dict[int, Response] = {}
    for call in calls:
        for index, response in call:
            assert index not in found
            found[index] = response
    return [found[index] for index in range(count)]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", PATHS)
def test_scores_equal_lm_evals(name: str, attention: str, folders: dict[str, Path]) -> None:
    engine = HFEngine(folders[name], attention=attention, token_budget=40)
    texts = pairs(seed=1)
    asked = requests(engine, texts)
    found = answers(engine.score(asked), len(asked))
    assert engine.report.path == PATHS[name]
    expected = hflm(folders[name]).loglikelihood(instances("loglikelihood", texts), True)
    plain = HFEngine(folders[name], path="plain", token_budget=200)
    other = answers(plain.score(asked), len(asked))
    for response, (value, greedy), reference in zip(found, expected, other, strict=True):
        assert response.loglikelihood == pytest.approx(value, abs=1e-4)
        assert response.loglikelihood == pytest.approx(reference.loglikelihood, abs=1e-4)
        assert response.greedy == greedy == reference.greedy
    if PATHS[name] == "packed":
        assert engine.report.tokens_computed <= 1.02 * engine.report.distinct_nodes


@pytest.mark.parametrize("name", PATHS)
def test_generations_equal_lm_evals(name: str, folders: dict[str, Path]) -> None:
    engine = HFEngine(folders[name], token_budget=50)
    source = random.Random(2)
    root = words(source, 18)
    prompts = [root + words(source, source.randrange(1, 25)) for _ in range(40)]
    prompts += [words(source, 100), words(source, 3), prompts[0]]
    stops = [" w7", " w3 w", "."]
    options = {"until": stops, "max_gen_toks": 12, "do_sample": False}
    asked = [
        GenerateRequest(tuple(engine.tokens.encode(p)), Decoding(12, tuple(stops))) for p in prompts
    ]
    found = answers(engine.generate(asked), len(asked))
    assert engine.report.path == ("branched" if name in ("mpt", "falcon") else "packed")
    lm = hflm(folders[name], batch_size=1)
    expected = lm.generate_until(
        instances("generate_until", [(p, dict(options)) for p in prompts]), disable_tqdm=True
    )
    assert [response.text for response in found] == expected
    assert {response.finish for response in found} >= {"stop", "length"}


@pytest.mark.parametrize("name", ["llama", "mpt", "gemma3"])
def test_adapters_over_one_load(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    adapters = [write_adapter(tmp_path / f"a{i}", folders[name], seed=i) for i in range(2)]
    engine = HFEngine(folders[name], token_budget=40)
    texts = pairs(seed=3)
    asked = requests(engine, texts)
    base = answers(engine.score(asked), len(asked))
    for adapter in adapters:
        found = answers(engine.score(asked, adapter=adapter), len(asked))
        expected = hflm(folders[name], adapter).loglikelihood(
            instances("loglikelihood", texts), True
        )
        for response, (value, greedy) in zip(found, expected, strict=True):
            assert response.loglikelihood == pytest.approx(value, abs=1e-4)
            assert response.greedy == greedy
        assert [r.loglikelihood for r in found] != [r.loglikelihood for r in base]
    assert answers(engine.score(asked), len(asked)) == base


@pytest.mark.parametrize(
    "name", ["llama", "mistral", "gemma3", "gpt_neox", "falcon", "mpt", "phi", "mixtral"]
)
def test_an_adapter_answers_as_the_merged_model(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapter = write_adapter(tmp_path / "adapter", folders[name])
    base = AutoModelForCausalLM.from_pretrained(folders[name])
    PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(folders[name]).save_pretrained(tmp_path / "merged")
    engine, merged = HFEngine(folders[name]), HFEngine(tmp_path / "merged")
    asked = requests(engine, pairs(seed=11))
    found = answers(engine.score(asked, adapter=adapter), len(asked))
    for left, right in zip(found, answers(merged.score(asked), len(asked)), strict=True):
        assert left.loglikelihood == pytest.approx(right.loglikelihood, abs=1e-4)
        assert left.greedy == right.greedy


@pytest.mark.parametrize("path", ["packed", "branched", "plain"])
def test_a_resumed_run_repeats_the_undisturbed_one(path: str, folders: dict[str, Path]) -> None:
    engine = HFEngine(folders["llama"], token_budget=30, path=path)
    asked = requests(engine, pairs(seed=4))
    calls = list(engine.score(asked))
    whole = dict(pair for call in calls for pair in call)
    for done in range(len(calls)):
        stored = dict(pair for call in calls[:done] for pair in call)
        rest = dict(pair for call in engine.score(asked, answered=set(stored)) for pair in call)
        assert not set(stored) & set(rest)
        assert stored | rest == whole


@pytest.mark.parametrize("path", ["packed", "branched", "plain"])
def test_sampling_depends_on_seed_not_on_company(path: str, folders: dict[str, Path]) -> None:
    engine = HFEngine(folders["llama"], path=path)
    source = random.Random(5)
    prompts = [tuple(engine.tokens.encode(words(source, 9))) for _ in range(6)]

    def ask(place: int, seed: int) -> GenerateRequest:
        return GenerateRequest(prompts[place], Decoding(10, (), 1.0, 0.9, seed))

    together = [ask(place, seed) for place in range(6) for seed in range(3)]
    found = answers(engine.generate(together), len(together))
    alone = answers(engine.generate([ask(4, 1)]), 1)
    assert alone[0].text == found[4 * 3 + 1].text
    assert len({response.text for response in found[:3]}) == 3
    if path == "packed":  # the samples of a prompt share its prefill
        engine.report = EngineReport()
        list(engine.generate([ask(0, seed) for seed in range(5)]))
        assert engine.report.tokens_computed == len(prompts[0])


def test_over_long_and_impossible_requests(folders: dict[str, Path]) -> None:
    engine = HFEngine(folders["llama"])
    context = tuple(5 + i % 50 for i in range(200))
    scored = answers(engine.score([ScoreRequest(context, (7, 8)), ScoreRequest((5,), context)]), 2)
    assert scored[0].cut_tokens == 202 - 97
    assert scored[1].status == "error"
    assert "96" in (scored[1].error or "")
    written = answers(
        engine.generate(
            [GenerateRequest(context, Decoding(10)), GenerateRequest((5,), Decoding(96))]
        ),
        2,
    )
    assert written[0].cut_tokens == 200 - 86
    assert written[1].status == "error"


def test_out_of_memory_halves_the_pass_and_loses_nothing(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.engines.hf.network import Network

    engine = HFEngine(folders["llama"], token_budget=200)
    asked = requests(engine, pairs(seed=6))
    expected = answers(engine.score(asked), len(asked))
    honest = Network.logits

    def small(self: Network, ids: Any, *args: Any, **options: Any) -> Any:
        if ids.numel() > 50:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return honest(self, ids, *args, **options)

    monkeypatch.setattr(Network, "logits", small)
    for path in ("packed", "plain"):
        engine = HFEngine(folders["llama"], token_budget=200)
        engine._paths = {(24, False): path}  # the probe ran before memory got tight
        if path == "plain":  # a whole row cannot be halved
            short = [i for i, r in enumerate(asked) if len(r.context + r.continuation) <= 50]
            asked, expected = [asked[i] for i in short], [expected[i] for i in short]
        found = answers(engine.score(asked), len(asked))
        for left, right in zip(found, expected, strict=True):
            assert left.loglikelihood == pytest.approx(right.loglikelihood, abs=1e-4)


def test_a_wrong_path_is_found_out(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from harness.engines.hf.network import Network

    honest = Network.tree_mask

    def blind(self: Network, flat: Any, depth: int) -> Any:
        flat.visible[:] = True
        return honest(self, flat, depth)

    monkeypatch.setattr(Network, "tree_mask", blind)
    engine = HFEngine(folders["llama"])
    asked = requests(engine, pairs(seed=7))
    list(engine.score(asked))
    assert engine.report.path == "branched"
    assert "standard deviations" in caplog.text
    with pytest.raises(UserError, match="path 'packed'"):
        list(HFEngine(folders["llama"], path="packed").score(asked))


def test_memory_that_runs_out_in_the_trial_says_nothing_about_the_path(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def full(*_: Any) -> float:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("harness.engines.hf.probe.difference", full)
    engine = HFEngine(folders["llama"])
    with pytest.raises(torch.OutOfMemoryError):
        list(engine.score(requests(engine, pairs(seed=7))))


@pytest.mark.parametrize("name", PATHS)
def test_bfloat16_is_as_near_to_float32_as_the_plain_path(
    name: str, folders: dict[str, Path]
) -> None:
    exact = HFEngine(folders[name])
    asked = requests(exact, pairs(seed=12))
    wanted = answers(exact.score(asked), len(asked))

    def error(path: str) -> float:
        engine = HFEngine(folders[name], dtype="bfloat16", path=path)
        found = answers(engine.score(asked), len(asked))
        return max(
            abs((left.loglikelihood or 0) - (right.loglikelihood or 0))
            for left, right in zip(found, wanted, strict=True)
        )

    assert error("auto") <= 2 * error("plain")


@pytest.mark.parametrize(
    ("name", "attention", "split"),
    [
        ("llama", "sdpa", True),
        ("gemma3", "sdpa", True),
        ("mistral", "sdpa", False),
        ("falcon", "sdpa", False),
        ("llama", "eager", False),
    ],
)
def test_packed_passes_attend_by_parts_where_layers_see_all(
    name: str,
    attention: str,
    split: bool,
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from harness.engines.hf.branches import Branches

    honest, seen = Branches._attend, []

    def noted(self: Branches, *states: Any) -> None:
        seen.append(1)
        honest(self, *states)

    monkeypatch.setattr(Branches, "_attend", noted)
    engine = HFEngine(folders[name], attention=attention, path="packed")
    engine._paths = {(root, False): "packed" for root in (17, 24)}  # the probe attends as well
    list(engine.score(requests(engine, pairs(seed=14))))
    assert bool(seen) == split


def test_nf4_weights_stay_trainable(folders: dict[str, Path]) -> None:
    import bitsandbytes

    engine = HFEngine(folders["llama"], quantisation="nf4")
    asked = requests(engine, pairs(seed=13))
    found = answers(engine.score(asked), len(asked))
    assert all(response.loglikelihood for response in found)
    assert engine.numerics["quantisation"] == "nf4"
    assert engine._loaded is not None
    layers = [
        module
        for module in engine._loaded.model.modules()
        if isinstance(module, bitsandbytes.nn.Linear4bit)
    ]
    assert layers
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)


def test_nothing_is_loaded_when_all_is_answered(folders: dict[str, Path]) -> None:
    engine = HFEngine(folders["llama"])
    asked = [ScoreRequest((5,), (6,))]
    assert list(engine.score(asked, answered={0})) == []
    assert engine._loaded is None
    assert engine.numerics["dtype"] == "float32"
    assert engine.report == EngineReport()
