"""The controls: what each trains on, and how retrieval rewrites a prompt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.make import ensure
from harness.errors import UserError
from harness.files import read_jsonl
from harness.progress import NullProgress
from harness.types import Domain
from specializers.controls.dapt import Dapt
from specializers.controls.generic import Generic
from specializers.controls.rag import Rag
from specializers.controls.seedsft import SeedSft
from specializers.corpus.open import content_digest
from specializers.domain import DOMAINS, load_domain
from specializers.selfspec.specializer import SelfSpec
from tests.specializers.selfspec.test_selfspec import willing
from tests.specializers.tiny import ScriptedBase, save_domain, save_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return load_domain(save_domain(tmp_path / "domain", passages=12))


@pytest.fixture
def base(tmp_path: Path) -> ScriptedBase:
    return ScriptedBase(willing, folder=save_model(tmp_path / "model"))


def test_seedsft_trains_on_the_seeds_and_asks_the_model_nothing(
    base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    facts = SeedSft().specialize(base, domain, SeedSft.budgets["tiny"], tmp_path, NullProgress())
    rows = list(read_jsonl(tmp_path / "data.jsonl"))
    assert [row["id"] for row in rows] == [seed.id for seed in domain.seeds]
    assert facts["training"]["examples"] == len(domain.seeds)
    assert (facts["template"], facts["asked_in_this_form"]) == ("plain", True)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert base.asked == []


def test_generic_uses_its_own_seeds_whatever_the_domain(
    base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    params = {**Generic.budgets["tiny"], "examples": 3, "surplus": 2.0, "max_length": 64}
    facts = Generic().specialize(base, domain, params, tmp_path, NullProgress())
    assert facts["round"] == 1
    rows = list(read_jsonl(tmp_path / "data.jsonl"))
    assert len(rows) == 3
    shown = {name for row in rows for names in row["seeds"].values() for name in names}
    assert all(name.startswith("generic-") for name in shown)
    assert all(row["documents"] == [] for row in rows)


def test_generic_is_another_artifact_for_other_seeds_and_the_same_for_another_domain(
    base: ScriptedBase, domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {**Generic.budgets["tiny"], "examples": 2, "surplus": 2.0, "max_length": 64}
    other = load_domain(save_domain(tmp_path / "other", seeds=4))
    own = load_domain(DOMAINS / "generic")
    changed = replace(own, seeds=own.seeds[1:], digest="f" * 64)

    def made(asked: Domain) -> str:
        return ensure(Generic(), base, asked, params, tmp_path / "root", NullProgress()).digest

    first = made(domain)
    assert made(other) == first
    monkeypatch.setattr("specializers.controls.generic.load_domain", lambda folder: changed)
    assert made(domain) != first


def test_dapt_reads_as_many_passages_as_asked_for(
    base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    drawn = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        params = {**Dapt.budgets["tiny"], "texts": 5, "seed": seed}
        (tmp_path / name).mkdir()
        facts = Dapt().specialize(base, domain, params, tmp_path / name, NullProgress())
        assert facts["texts"] == facts["training"]["examples"] == 5
        drawn.append((tmp_path / name / "data.jsonl").read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]
    ids = [json.loads(line)["id"] for line in drawn[0].splitlines()]
    assert len(set(ids)) == 5


@pytest.mark.parametrize("control", [Dapt(), Rag()])
def test_a_control_that_needs_a_corpus_says_so(
    control: Dapt | Rag, base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    bare = replace(domain, corpus=None)
    with pytest.raises(UserError, match="--corpus FILE"):
        control.specialize(base, bare, control.budgets["tiny"], tmp_path, NullProgress())


def test_rag_puts_passages_before_the_input(
    base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    params = {"retrieval": "bm25", "embedding": "minilm", "passages": 1, "passage_words": 5}
    Rag().specialize(base, domain, params, tmp_path, NullProgress())
    rewrite = Rag().rewrite_input(tmp_path)
    asked = rewrite("Question: does garlic oil help?")
    assert asked == "Background: Passage 10 says what garlic\nQuestion: does garlic oil help?"
    assert rewrite("zeppelin") == "zeppelin"
    assert domain.corpus is not None
    # Moved, it is found once something has read it there; nothing else is taken for it.
    moved = domain.corpus.rename(tmp_path / "moved.jsonl")
    other = moved.read_text().replace("garlic", "gravel")
    domain.corpus.write_text(other)
    with pytest.raises(UserError, match=r"is nowhere this machine has met it\. At .* is another"):
        Rag().rewrite_input(tmp_path)
    content_digest(moved)
    assert Rag().rewrite_input(tmp_path)("Question: does garlic oil help?") == asked
    moved.write_text(other)
    with pytest.raises(UserError, match=r"rag\.json: made with a corpus of SHA-256"):
        Rag().rewrite_input(tmp_path)
    moved.unlink()
    domain.corpus.unlink()
    with pytest.raises(UserError, match=r"Give it with --corpus, wherever it lies"):
        Rag().rewrite_input(tmp_path)


def test_the_controls_train_as_the_method_does() -> None:
    for control in (SeedSft(), Dapt(), Generic()):
        for budget, params in control.budgets.items():
            shared = params.keys() & SelfSpec.budgets[budget].keys() - {"retrieval"}
            assert {k: params[k] for k in shared} == {
                k: SelfSpec.budgets[budget][k] for k in shared
            }
            assert shared >= {"learning_rate", "epochs", "batch", "lora_rank", "max_length"}
