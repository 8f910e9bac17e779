"""The whole method with a scripted base: lineage, limits, resuming, one seed one data set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.artifacts.make import ensure
from harness.doors.files import read_jsonl
from harness.errors import UserError, UserErrors
from harness.progress import NullProgress
from harness.types import Artifact, Decoding, Domain, Response
from specializers.domain import load_domain
from specializers.parameters import take
from specializers.retrieval.open import open_retriever
from specializers.selfspec.agreement import AgreementParams, agrees
from specializers.selfspec.draws import draw_demonstrations
from specializers.selfspec.instructions import InstructionParams, write_instructions
from specializers.selfspec.responses import ResponseParams, _nearest, write_responses
from specializers.selfspec.specializer import SelfSpec, make_data
from tests.specializers.tiny import ScriptedBase, generation, hashed, save_domain, save_model

VERBS = ("Name", "List", "Explain", "Compare", "Describe", "Judge", "Rank", "Count")
HERBS = ("sage", "mint", "ginger", "willow", "garlic", "thyme", "fennel", "anise", "clove")
ENDS = ("for a cough", "against fever", "at night", "in winter", "after meals", "on the skin")


def phrase(prompt: str, seed: int, place: int) -> str:
    pick = [hashed(prompt, seed, place, n) for n in range(4)]
    return (
        f"{VERBS[pick[0] % 8]} {HERBS[pick[1] % 9]} {ENDS[pick[2] % 6]} "
        f"and {HERBS[pick[3] % 9]} {ENDS[pick[0] % 6]}"
    )


def willing(prompt: str, decoding: Decoding) -> Response:
    """Two whole tasks and a cut one, or an answer; now and then something unusable."""
    if prompt.startswith("You are"):
        answer = "" if hashed("c", prompt) % 4 == 0 else f"a remedy number {hashed(prompt) % 1000}"
        return generation(f" {answer}")
    first, second = (phrase(prompt, decoding.seed, place) for place in (0, 1))
    bad = "Draw an image of it" if hashed("c", decoding.seed) % 2 else second
    return generation(
        f"\nInstruction: {first}.\nInput: <none>\n###\nTask 5\nInstruction: {bad}.\n"
        f"Input: a short text {decoding.seed}\n###\nTask 6\nInstruction: cut off",
        finish="length",
    )


def unwilling(prompt: str, decoding: Decoding) -> Response:
    return generation("I would rather not.")


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return load_domain(save_domain(tmp_path / "domain"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def params(**changes: Any) -> dict[str, Any]:
    small = {"examples": 6, "max_calls": 40, "calls_per_round": 2, "max_length": 96, "passages": 2}
    small |= {"responses_per_round": 3, "surplus": 1.0, "inputs": "model", "train_on_seeds": "none"}
    small |= {"replay": 0.0}
    return {**SelfSpec.budgets["tiny"], **small, **changes}


def make(base: ScriptedBase, domain: Domain, out: Path, **changes: Any) -> list[dict[str, Any]]:
    out.mkdir(exist_ok=True)
    return make_data(base, domain, params(**changes), out, NullProgress())


def test_every_example_says_what_it_was_made_from(domain: Domain, tmp_path: Path) -> None:
    base = ScriptedBase(willing, sampling={"temperature": 0.4})
    data = make(base, domain, tmp_path / "out")
    assert len(data) == 6
    known = {seed.id for seed in domain.seeds}
    for row in data:
        assert set(row["seeds"]["instruction"]) < known
        assert len(row["seeds"]["instruction"]) == 3
        assert set(row["seeds"]["response"]) < known
        assert all(name.startswith("passage-") for name in row["documents"])
        assert row["decoding"]["instruction"]["temperature"] == 0.4
        assert row["decoding"]["instruction"]["top_p"] == SelfSpec.budgets["tiny"]["top_p"]
        assert row["decoding"]["response"]["temperature"] == 0
    assert any(row["documents"] for row in data)
    assert list(read_jsonl(tmp_path / "out" / "data.jsonl")) == data
    shown = {prompt for prompt, _ in base.asked}
    for row in data:
        wanted = [f"Instruction: {row['instruction']}", "Answer:"]
        assert any(all(part in prompt for part in wanted) for prompt in shown)


def test_every_drop_is_kept_with_filter_and_reason(domain: Domain, tmp_path: Path) -> None:
    out = tmp_path / "out"
    data = make(ScriptedBase(willing), domain, out)
    dropped = list(read_jsonl(out / "dropped.jsonl"))
    assert {row["filter"] for row in dropped} >= {"blacklist", "empty"}
    assert all(row["reason"] and row["stage"] in ("instructions", "responses") for row in dropped)
    names = {row["id"] for row in dropped}
    assert not names & {row["id"] for row in data}
    candidates = {row["id"] for row in read_jsonl(out / "instructions.jsonl")}
    answered = {row["id"] for row in read_jsonl(out / "responses.jsonl")}
    assert names | answered <= candidates
    # "Task 6" of each call was cut.
    assert not any(name.endswith("-2") for name in candidates)


def test_it_stops_when_there_is_enough(domain: Domain, tmp_path: Path) -> None:
    base = ScriptedBase(willing)
    make(base, domain, tmp_path / "out", examples=2, surplus=0.0, calls_per_round=2)
    brainstorms = [prompt for prompt, _ in base.asked if not prompt.startswith("You are")]
    assert len(brainstorms) == 2


def test_a_weak_model_ends_with_what_it_has(domain: Domain, tmp_path: Path) -> None:
    base = ScriptedBase(willing)
    data = make(base, domain, tmp_path / "out", examples=500, max_calls=10)
    assert 0 < len(data) < 500
    brainstorms = [prompt for prompt, _ in base.asked if not prompt.startswith("You are")]
    assert len(brainstorms) == 10


def test_a_model_that_writes_nothing_usable_is_an_error(domain: Domain, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no usable task in 40 calls .*dropped by: format"):
        make(ScriptedBase(unwilling), domain, tmp_path / "out")


def test_no_usable_answer_is_an_error(domain: Domain, tmp_path: Path) -> None:
    def mute(prompt: str, decoding: Decoding) -> Response:
        return generation("") if prompt.startswith("You are") else willing(prompt, decoding)

    with pytest.raises(UserError, match=r"none of \d+ answers was usable \(dropped by: empty\)"):
        make(ScriptedBase(mute), domain, tmp_path / "out")


def test_failed_calls_are_counted_and_nothing_more(domain: Domain, tmp_path: Path) -> None:
    def flaky(prompt: str, decoding: Decoding) -> Response:
        if decoding.seed % 2 and not prompt.startswith("You are"):
            return Response("generation", status="error", error="out of memory")
        return willing(prompt, decoding)

    out = tmp_path / "out"
    assert make(ScriptedBase(flaky), domain, out)
    report = json.loads((out / "instructions.json").read_text())
    assert 0 < report["failed_calls"] < report["calls"]


def test_the_same_seed_gives_the_same_bytes(domain: Domain, tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(ScriptedBase(willing), domain, tmp_path / name, seed=seed)
        files.append((tmp_path / name / "data.jsonl").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize("stop_at", [0, 1, 5, 8, 10])
def test_interrupted_anywhere_it_goes_on_to_the_same_files(
    domain: Domain, tmp_path: Path, stop_at: int
) -> None:
    make(ScriptedBase(willing), domain, tmp_path / "whole")

    class Interrupted(ScriptedBase):
        def generate(self, prompts: Any, decoding: Any, **kwargs: Any) -> list[Response]:
            if len(self.asked) >= stop_at:
                raise KeyboardInterrupt
            return super().generate(prompts, decoding, **kwargs)

    out = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        make(Interrupted(willing), domain, out)
    make(ScriptedBase(willing), domain, out)
    finished = ScriptedBase(willing)
    make(finished, domain, out)
    assert finished.asked == []
    for name in ("instructions", "responses", "dropped", "data"):
        file = f"{name}.jsonl"
        assert (out / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_each_round_is_an_artifact_that_answers_with_the_one_before(
    domain: Domain, tmp_path: Path
) -> None:
    folder = save_model(tmp_path / "model")
    base = ScriptedBase(willing, folder=folder)

    def made(rounds: int) -> Artifact:
        asked = params(rounds=rounds, examples=3, max_calls=8, epochs=1)
        return ensure(SelfSpec(), base, domain, asked, tmp_path / "root", NullProgress())

    third = made(3)
    calls = len(base.asked)
    first, second = made(1), made(2)
    assert len(base.asked) == calls
    assert len({first.digest, second.digest, third.digest}) == 3
    facts = [artifact.manifest["facts"] for artifact in (first, second, third)]
    assert [f["round"] for f in facts] == [1, 2, 3]
    assert [f["previous_round"] for f in facts] == ["", first.digest, second.digest]
    answered = [next(read_jsonl(a.folder / "data.jsonl"))["answered_by"] for a in (first, second)]
    assert answered == ["base", first.digest]
    by = [
        a for a, (prompt, _) in zip(base.adapters, base.asked, strict=True) if "You are" in prompt
    ]
    assert list(dict.fromkeys(by)) == [None, first.adapter, second.adapter]
    # The tasks stay; the training begins at the base again, so equal data give equal adapters.
    tasks = {(a.folder / "instructions.jsonl").read_bytes() for a in (first, second, third)}
    assert len(tasks) == 1
    weights = [a.manifest["files"]["adapter/adapter_model.safetensors"] for a in (first, second)]
    assert weights[0] == weights[1]


def test_round_nought_is_refused(domain: Domain, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rounds is 0, expected 1 or more"):
        SelfSpec().specialize(
            ScriptedBase(willing), domain, params(rounds=0), tmp_path, NullProgress()
        )


def test_answers_that_samples_contradict_are_dropped(domain: Domain, tmp_path: Path) -> None:
    def fickle(prompt: str, decoding: Decoding) -> Response:
        if decoding.temperature and prompt.startswith("You are") and hashed(prompt) % 2:
            return generation(f"quite another remedy than number {decoding.seed}")
        return willing(prompt, replace(decoding, seed=0) if "You are" in prompt else decoding)

    out = tmp_path / "out"
    base = ScriptedBase(fickle)
    data = make(base, domain, out, agreement_samples=3)
    reasons = {
        row["id"]: row["reason"]
        for row in read_jsonl(out / "dropped.jsonl")
        if row["filter"] == "agreement"
    }
    assert set(reasons.values()) == {"0 of 3 samples agree"}
    assert not reasons.keys() & {row["id"] for row in data}
    drawn = [how for prompt, how in base.asked if prompt.startswith("You are") and how.temperature]
    assert len({how.seed for how in drawn}) == len(drawn)
    report = json.loads((out / "responses.json").read_text())
    answers = sum(prompt.startswith("You are") for prompt, _ in base.asked)
    assert report["calls"] == answers


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Yes.", "yes", True),
        ("yes", "no", False),
        ("factor IX", "Factor  ix", True),
        ("yes", "yes, it does so in most of the cases", False),
        ("The drug lowers the pressure.", "The drug lowers blood pressure.", True),
        ("The drug lowers the pressure.", "Nothing of the kind was seen.", False),
    ],
)
def test_when_two_answers_agree(first: str, second: str, same: bool) -> None:
    assert agrees(first, second, rouge=0.5) is same


def test_novelty_by_meaning(domain: Domain, tmp_path: Path) -> None:
    def embed(texts: Sequence[str]) -> Any:
        """Texts that begin with the same verb mean the same; seeds are apart."""
        rows = np.zeros((len(texts), 9), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[VERBS.index(text.split()[0]) if text.split()[0] in VERBS else 8] = 1
        return rows

    asked = take(InstructionParams, params(semantic_threshold=0.9, examples=9, max_calls=30))
    rows, report = write_instructions(ScriptedBase(willing), domain, asked, NullProgress(), embed)
    kept = [row["instruction"].split()[0] for row in rows if row["dropped"] is None]
    assert len(kept) == len(set(kept)) == report["accepted"]
    refused = [row["dropped"] for row in rows if row["dropped"]]
    near = [drop["reason"] for drop in refused if drop["filter"] == "semantic"]
    assert near
    assert all(reason.startswith("cosine 1.00 to task-") for reason in near)


def test_passages_are_shown_where_they_help(domain: Domain, tmp_path: Path) -> None:
    def asked(number: int, instruction: str, text: str = "") -> dict[str, Any]:
        origin = {"seeds": [], "decoding": {}, "prompt_sha256": ""}
        return {"id": f"t{number}", "instruction": instruction, "input": text, **origin}

    tasks = [
        asked(0, "What does mint tea do for a cough?"),
        asked(1, "What does the passage say of mint tea?", "Mint tea helps a cough."),
        asked(2, "What does mint tea do here?", "mint tea " * 30),
    ]
    shown = {}
    for rule in ("open", "all"):
        out = tmp_path / rule
        settings = params(retrieve_for=rule, retrieval_input_words=40)
        rows, _ = write_responses(
            ScriptedBase(willing),
            domain,
            tasks,
            open_retriever("bm25", domain.corpus, out, NullProgress()),
            take(ResponseParams, settings),
            take(AgreementParams, settings),
            NullProgress(),
        )
        shown[rule] = [bool(row["documents"]) for row in rows]
    assert shown == {"open": [True, False, False], "all": [True, True, True]}


def test_the_nearest_demonstrations_do_not_all_say_the_same(domain: Domain) -> None:
    seeds = [
        replace(domain.seeds[0], id=str(n), instruction=f"Is tea number {n} safe?", output=output)
        for n, output in enumerate(["yes", "Yes.", "no", "yes", "a long answer to the question"])
    ]
    chosen = _nearest(seeds, "Is tea number 1 safe?", 3)
    assert chosen[-1].id == "1"
    assert {seed.output for seed in chosen} == {"Yes.", "no", "a long answer to the question"}
    assert len(_nearest(seeds, "Is tea number 1 safe?", 9)) == 5


def test_retrieval_without_a_corpus_says_what_to_do(tmp_path: Path) -> None:
    bare = load_domain(save_domain(tmp_path / "bare", corpus=None))
    with pytest.raises(UserError, match="--corpus FILE, or --set retrieval=none"):
        make(ScriptedBase(willing), bare, tmp_path / "out")
    data = make(ScriptedBase(willing), bare, tmp_path / "out", retrieval="none")
    assert all(row["documents"] == [] for row in data)


def test_every_wrong_parameter_is_named(domain: Domain, tmp_path: Path) -> None:
    wrong = params(novelty="words", batch=2.5, epochs=-1, exmaples=3, gradient_checkpointing=1)
    del wrong["seed"]
    with pytest.raises(UserErrors) as caught:
        SelfSpec().specialize(ScriptedBase(willing), domain, wrong, tmp_path, NullProgress())
    told = "\n".join(caught.value.messages)
    for part in (
        "novelty is 'words', expected one of instruction, instruction+input",
        "batch is 2.5",
        "epochs is -1, expected 1 or more",
        "unknown parameter 'exmaples'. Did you mean 'examples'?",
        "gradient_checkpointing is 1",
        "parameter 'seed' is missing",
    ):
        assert part in told


def test_every_budget_names_every_parameter() -> None:
    names = {budget: set(params) for budget, params in SelfSpec.budgets.items()}
    assert names["tiny"] == names["small"] == names["paper"]
    paper = SelfSpec.budgets["paper"]
    assert (paper["examples"], paper["demonstrations"], paper["temperature"]) == (5000, 3, 1.0)
    assert (paper["lora_rank"], paper["lora_alpha"], paper["epochs"], paper["batch"]) == (
        8,
        16,
        3,
        32,
    )


def test_the_deck_shows_all_seeds_and_mixes_their_kinds(domain: Domain) -> None:
    hands = draw_demonstrations(domain.seeds, 3, "x")
    shown = Counter(seed.id for _ in range(80) for seed in next(hands))
    assert len(shown) == 8
    assert max(shown.values()) - min(shown.values()) <= 2
    again = draw_demonstrations(domain.seeds, 3, "x")
    for _ in range(50):
        hand = next(again)
        assert len({seed.id for seed in hand}) == 3
        assert len({seed.task_type for seed in hand}) == 3
    alike = draw_demonstrations(domain.seeds, 2, "x", one_kind=True)
    assert all(len({seed.task_type for seed in next(alike)}) == 1 for _ in range(50))
    few = next(draw_demonstrations(domain.seeds[:2], 5, "x"))
    assert len(few) == 2


def test_the_way_through_ends_with_an_adapter(domain: Domain, tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", chat=True)
    out = tmp_path / "out"
    out.mkdir()
    base = ScriptedBase(willing, folder=folder, has_chat_template=True)
    facts = SelfSpec().specialize(base, domain, params(), out, NullProgress())
    assert base.released == 1
    assert (out / "adapter" / "adapter_model.safetensors").is_file()
    assert facts["template"] == "chat"
    assert facts["training"]["examples"] == 6
    assert facts["responses"]["accepted"] == 6
    assert facts["instructions"]["dropped"]["blacklist"] > 0
    again = ScriptedBase(willing, folder=folder, has_chat_template=True)
    assert SelfSpec().specialize(again, domain, params(), out, NullProgress()) == facts
    assert (again.asked, again.released) == ([], 0)
