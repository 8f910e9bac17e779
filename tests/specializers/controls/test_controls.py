"""The controls: what each trains on, and how retrieval rewrites a prompt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.make import ensure
from harness.doors.files import read_jsonl
from harness.errors import UserError
from harness.progress import NullProgress
from harness.types import Decoding, Domain, Response
from specializers.controls.dapt import Dapt
from specializers.controls.distil import Distil
from specializers.controls.generic import Generic
from specializers.controls.rag import Rag
from specializers.controls.readcomp import ReadComp
from specializers.controls.seedsft import SeedSft
from specializers.controls.seedshots import SeedShots
from specializers.corpus.open import content_digest
from specializers.domain import DOMAINS, load_domain
from specializers.replay import _whole
from specializers.selfspec.specializer import SelfSpec
from tests.specializers.selfspec.test_selfspec import willing
from tests.specializers.tiny import ScriptedBase, generation, save_domain, save_model


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
    params = {**SeedSft.budgets["tiny"], "replay": 0.0}
    facts = SeedSft().specialize(base, domain, params, tmp_path, NullProgress())
    rows = list(read_jsonl(tmp_path / "data.jsonl"))
    assert [row["id"] for row in rows] == [seed.id for seed in domain.seeds]
    assert facts["training"]["examples"] == len(domain.seeds)
    assert (facts["template"], facts["asked_in_this_form"]) == ("plain", True)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert base.asked == []


def test_generic_uses_its_own_seeds_whatever_the_domain(
    base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    params = {
        **Generic.budgets["tiny"],
        "examples": 3,
        "inputs": "model",
        "train_on_seeds": "none",
        "replay": 0.0,
        "surplus": 2.0,
        "max_length": 64,
    }
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
        params = {**Dapt.budgets["tiny"], "texts": 5, "seed": seed, "replay": 0.0}
        (tmp_path / name).mkdir()
        facts = Dapt().specialize(base, domain, params, tmp_path / name, NullProgress())
        assert facts["texts"] == facts["training"]["examples"] == 5
        drawn.append((tmp_path / name / "data.jsonl").read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]
    ids = [json.loads(line)["id"] for line in drawn[0].splitlines()]
    assert len(set(ids)) == 5


@pytest.mark.parametrize("control", [Dapt(), Rag(), ReadComp(), Distil()])
def test_a_control_that_needs_a_corpus_says_so(
    control: Dapt | Rag | ReadComp | Distil, base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    bare = replace(domain, corpus=None)
    with pytest.raises(UserError, match="--corpus FILE"):
        control.specialize(base, bare, control.budgets["tiny"], tmp_path, NullProgress())


def willing_to_all(prompt: str, decoding: Decoding) -> Response:
    return generation("the drug is safe . it lowers blood pressure .")


def test_replay_is_the_bases_own_answers_to_general_questions(
    domain: Domain, tmp_path: Path
) -> None:
    base = ScriptedBase(willing_to_all, folder=save_model(tmp_path / "model"))
    params = {**SeedSft.budgets["tiny"], "replay": 0.5, "holdout": 0.0, "steps": 2}
    facts = SeedSft().specialize(base, domain, params, tmp_path, NullProgress())
    rows = list(read_jsonl(tmp_path / "replay.jsonl"))
    assert len(rows) == len(domain.seeds)  # as many again: half of all
    assert facts["training"]["examples"] == 2 * len(domain.seeds)
    assert [prompt for prompt, _ in base.asked] == [f"{row['question']}\nAnswer:" for row in rows]
    seeds = {row["id"] for row in read_jsonl(tmp_path / "data.jsonl")}
    assert seeds == {seed.id for seed in domain.seeds}


@pytest.mark.parametrize(
    ("text", "finish", "kept"),
    [
        ("It is one. It is two and", "length", "It is one."),
        ("It is one and", "length", ""),
        ("It is one", "stop", "It is one"),
        ("", "stop", ""),
        ("About 3.5 kilometres. Then", "length", "About 3.5 kilometres."),
    ],
)
def test_a_replayed_answer_ends_with_a_whole_sentence(text: str, finish: str, kept: str) -> None:
    assert _whole(generation(text, finish)) == kept


def test_readcomp_trains_on_what_it_mined_and_asks_the_model_nothing(
    base: ScriptedBase, domain: Domain, tmp_path: Path
) -> None:
    corpus = DOMAINS / "biomed" / "corpus.jsonl"
    params = {**ReadComp.budgets["tiny"], "examples": 12, "replay": 0.0, "steps": 2}
    facts = ReadComp().specialize(
        base, replace(domain, corpus=corpus), params, tmp_path, NullProgress()
    )
    assert sum(facts["tasks"].values()) == facts["training"]["examples"] == 12
    assert len(facts["tasks"]) >= 4
    assert base.asked == []
    known = {row["id"] for row in read_jsonl(corpus)}
    rows = list(read_jsonl(tmp_path / "data.jsonl"))
    assert {document for row in rows for document in row["documents"]} <= known


def test_seedshots_shows_the_nearest_seeds_of_one_type(base: ScriptedBase, tmp_path: Path) -> None:
    domain = load_domain(DOMAINS / "biomed")
    SeedShots().specialize(base, domain, {"shown": 3}, tmp_path, NullProgress())
    rewrite = SeedShots().rewrite_input(tmp_path)
    by_input = {seed.input: seed for seed in domain.seeds if seed.input}
    found = []
    for seed in by_input.values():
        asked = rewrite(seed.input)
        assert asked.endswith(seed.input)
        shown = [other for text, other in by_input.items() if f"{text}\nAnswer: " in asked]
        assert 1 <= len(shown) <= 3
        assert len({other.task_type for other in shown}) == 1
        # The seed itself is the likest, and stands last.
        assert asked.startswith("".join(asked.split(seed.input)[0]))
        found.append(seed in shown)
    assert all(found)
    assert base.asked == []


def test_distil_learns_from_what_the_teacher_was_shown(domain: Domain, tmp_path: Path) -> None:
    base = ScriptedBase(willing_to_all, folder=save_model(tmp_path / "model"))
    corpus = DOMAINS / "biomed" / "corpus.jsonl"
    params = {
        **Distil.budgets["tiny"], "examples": 12, "replay": 0.0, "steps": 3, "top_k": 8,
    }  # fmt: skip
    whole = replace(domain, corpus=corpus)
    facts = Distil().specialize(base, whole, params, tmp_path, NullProgress())
    rows = list(read_jsonl(tmp_path / "data.jsonl"))
    assert facts["training"]["examples"] == len(rows) == 12
    asked = [prompt for prompt, _ in base.asked]
    for row, prompt in zip(rows, asked, strict=True):
        assert prompt.endswith(f"{row['input']}\nAnswer:")
        assert all(f"{text}\nAnswer: {answer}" in prompt for text, answer in row["shots"])
        assert row["output"] == "the drug is safe . it lowers blood pressure ."
        assert row["known"]
    assert any(row["shots"] for row in rows)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


def test_a_teacher_that_answers_nothing_is_said(domain: Domain, tmp_path: Path) -> None:
    base = ScriptedBase(lambda *_: generation(""), folder=save_model(tmp_path / "model"))
    params = {**Distil.budgets["tiny"], "examples": 4}
    whole = replace(domain, corpus=DOMAINS / "biomed" / "corpus.jsonl")
    with pytest.raises(UserError, match="the teacher gave no answer"):
        Distil().specialize(base, whole, params, tmp_path, NullProgress())


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
    for control in (SeedSft(), Dapt(), Generic(), ReadComp(), Distil()):
        for budget, params in control.budgets.items():
            shared = params.keys() & SelfSpec.budgets[budget].keys() - {"retrieval"}
            assert {k: params[k] for k in shared} == {
                k: SelfSpec.budgets[budget][k] for k in shared
            }
            assert shared >= {
                "learning_rate",
                "epochs",
                "batch",
                "lora_rank",
                "max_length",
                "steps",
                "replay",
            }


def test_unknown_layers_are_told_before_anything_is_written(
    domain: Domain, base: ScriptedBase, tmp_path: Path
) -> None:
    for plugin in (SelfSpec(), SeedSft(), ReadComp(), Dapt(), Distil(), Generic()):
        params = {**plugin.budgets["tiny"], "target_modules": "q_proj,query"}
        out = tmp_path / plugin.name
        out.mkdir()
        with pytest.raises(UserError, match="target_modules: found 'query'"):
            plugin.specialize(base, domain, params, out, NullProgress())
        assert not list(out.iterdir())
    assert not base.asked
