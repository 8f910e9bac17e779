"""Tasks over real text with a scripted base: quotas, gate, votes, filters, resuming, reports."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.doors.files import read_jsonl
from harness.errors import UserErrors
from harness.progress import NullProgress
from harness.types import Decoding, Domain, Response
from specializers.domain import DOMAINS, load_domain
from specializers.mining.chosen import PER_TEXT, mined_tasks
from specializers.replay import with_replay
from specializers.selfspec import specializer
from specializers.selfspec.estimate import expect
from specializers.selfspec.grounded.checks import covered, judge_grounded, spoken
from specializers.selfspec.grounded.duplicates import NearDuplicates
from specializers.selfspec.grounded.frames import form_of, frames_of
from specializers.selfspec.grounded.gate import held_out, try_types
from specializers.selfspec.grounded.mined import READING, concluded_rows
from specializers.selfspec.grounded.quotas import (
    MOST_TIMES,
    Cell,
    Quotas,
    band,
    largest_remainders,
    repeats,
    type_quotas,
    uneven,
)
from specializers.selfspec.grounded.texts import suits
from specializers.selfspec.grounded.voting import (
    calibrated,
    vote_items,
    vote_mentions,
    vote_span,
)
from specializers.selfspec.specializer import SelfSpec, make_data
from specializers.training.examples import TrainingExample, render, resolve_template
from tests.specializers.tiny import ScriptedBase, Told, generation, hashed, save_domain

WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=1)
# Short words and longer ones, of which some begin alike.
SAID = st.lists(
    st.sampled_from(["gut", "of", "protein", "proteins", "proteinuria", "infection"]), min_size=1
)


class Labels(ScriptedBase):
    """Says what is asked of it; the right label is the one that `right` gives."""

    def score(self, pairs: Any, **_: Any) -> list[Response]:
        self.scored += pairs
        return [
            Response("loglikelihood", loglikelihood=-3.0 + hashed(a[-300:], b) % 100 / 20)
            for a, b in pairs
        ]


def helpful(prompt: str, decoding: Decoding) -> Response:
    """A question on the last text, a piece of it as an answer; other words where none is shown."""
    if prompt.startswith("Tasks made"):
        text = prompt.rpartition("Text: ")[2]
        word = text.split()[hashed(prompt, decoding.seed) % max(1, len(text.split()) - 2)].strip(
            ".,"
        )
        if prompt.endswith("Instruction:"):
            return generation(f" Which {word} does the text name in its part {decoding.seed % 99}?")
        return generation(f" Does the text say what {word} does in case {decoding.seed % 99}?")
    if "###" in prompt:  # an answer after demonstrations
        text = prompt.rpartition("Input: ")[2].removesuffix("\nAnswer:")
        return generation(" " + " ".join(text.split()[:3]).rstrip("."))
    return generation(" nothing of the kind")


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return load_domain(DOMAINS / "biomed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def make(base: ScriptedBase, domain: Domain, out: Path, **changes: Any) -> list[dict[str, Any]]:
    out.mkdir(exist_ok=True)
    params = {**SelfSpec.budgets["tiny"], "examples": 28, "max_calls": 80, "gate_seeds": 0}
    return make_data(base, domain, {**params, **changes}, out, NullProgress())


def test_a_plan_counts_what_the_gate_and_replay_ask(domain: Domain, tmp_path: Path) -> None:
    params = {**SelfSpec.budgets["tiny"], "gate_seeds": 2, "replay": 0.25}
    base = Labels(helpful)
    by_type: dict[str, list[Any]] = {}
    for seed in domain.seeds:
        by_type.setdefault(seed.task_type, []).append(seed)
    shown, tokens = params["response_demonstrations"], params["response_tokens"]
    _, cost = try_types(base, domain, by_type, 2, shown, tokens)
    written, labels = (ask for ask in expect(domain, params).asks if ask.stage == "gate")
    assert Counter(written.prompts) == Counter(prompt for prompt, _ in base.asked)
    assert Counter(labels.prompts) == Counter(prompt for prompt, _ in base.scored)
    assert cost["calls"] == len(written.prompts) + len(labels.prompts)
    without = expect(domain, {**params, "replay": 0.0})
    (replay,) = (ask for ask in expect(domain, params).asks if ask.stage == "replay")
    base = Labels(helpful)
    template = resolve_template("plain", False)
    mine = [render(template, "Do it.", "", "so")] * without.examples
    with_replay(base, mine, params, tmp_path, NullProgress())
    assert list(replay.prompts) == [prompt for prompt, _ in base.asked]
    assert expect(domain, params).examples == without.examples + len(replay.prompts)
    assert not [ask for ask in without.asks if ask.stage == "replay"]


def test_written_types_pass_the_gate_over_the_least_likeness_alone(domain: Domain) -> None:
    by_type: dict[str, list[Any]] = {}
    for seed in domain.seeds:
        by_type.setdefault(seed.task_type, []).append(seed)
    labels = {kind for kind, group in by_type.items() if form_of(group) == "label"}
    passed: list[set[str]] = []
    for least in (0.0, 0.1, 0.2, 1.0):
        trials, _ = try_types(Labels(helpful), domain, by_type, 4, 3, 48, least)
        passed.append({trial.kind for trial in trials if trial.passed})
        assert all(t.shown > least for t in trials if t.passed and t.kind not in labels)
    assert passed[0] > passed[-1] == passed[0] & labels
    assert all(fewer <= more for more, fewer in pairwise(passed))


# -- the whole ---------------------------------------------------------------


def test_texts_are_those_of_the_corpus_and_lineage_is_whole(domain: Domain, tmp_path: Path) -> None:
    data = make(Labels(helpful), domain, tmp_path / "out", train_on_seeds="none")
    assert domain.corpus is not None
    passages = {row["id"]: " ".join(row["text"].split()) for row in read_jsonl(domain.corpus)}
    tasks = {row["id"]: row for row in read_jsonl(tmp_path / "out" / "instructions.jsonl")}
    assert data
    for row in data:
        task = tasks[row["id"]]
        if task["kind"].startswith(READING):
            assert set(row["documents"]) <= set(passages)
            continue
        if task["mode"] != "invented":
            (passage,) = row["documents"]
            assert task["source"] in passages[passage]
        if task["mode"] in ("kept", "instruction", "fields"):
            assert task["source"] in row["input"]
        if task["mode"] in ("closed", "back", "mined"):
            assert task["source"] not in row["input"]
        assert set(row["seeds"]["instruction"]) <= {seed.id for seed in domain.seeds}
    dropped = list(read_jsonl(tmp_path / "out" / "dropped.jsonl"))
    assert all(row["reason"] for row in dropped)
    assert {row["id"] for row in dropped} | {row["id"] for row in data} == set(tasks)


def test_sets_of_labels_are_asked_over_texts_that_speak_of_them_or_not_at_all(
    domain: Domain, tmp_path: Path
) -> None:
    listener = Told()
    params = {**SelfSpec.budgets["tiny"], "examples": 40, "max_calls": 120, "gate_seeds": 0}
    make_data(Labels(helpful), domain, params, tmp_path, listener)
    frames = {f.seed.id: f for group in frames_of(domain.seeds).values() for f in group}
    tasks = list(read_jsonl(tmp_path / "instructions.jsonl"))
    sets = [task for task in tasks if task["mould"] and frames[task["mould"]].offered]
    assert sets
    assert all(suits(frames[task["mould"]], task["source"]) for task in sets)
    unsuited = json.loads((tmp_path / "instructions.json").read_text())["unsuited"]["multilabel"]
    assert unsuited
    assert not {task["mould"] for task in tasks} & set(unsuited)
    assert any(line.startswith("multilabel: no text speaks of") for line in listener.said)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_mined_tasks_make_up_for_what_is_missing_and_no_more(
    domain: Domain, tmp_path: Path, share: float
) -> None:
    assert domain.corpus is not None
    changes: dict[str, Any] = {"train_on_seeds": "none", "mined_share": share}
    data = make(Labels(helpful), domain, tmp_path / "out", **changes)
    report = json.loads((tmp_path / "out" / "instructions.json").read_text())
    kept = sum(quota["kept"] for quota in report["quotas"].values())
    reading = [row for row in data if row["id"].startswith("mined-0")]
    assert 0 < kept < 28  # something is missing
    assert len(reading) == min(round(share * 28), 28 - kept) == sum(report["reading"].values())
    named = ("id", "instruction", "input", "output", "documents")
    mined = mined_tasks(domain.corpus, len(reading), PER_TEXT, 0) if reading else []
    assert [[row[n] for n in named] for row in reading] == [[r[n] for n in named] for r in mined]
    assert {row["answered_by"] for row in reading} <= {"corpus"}


CONCLUDING = """{first} We measured {count} plants. Growth was faster in the shade. {last}"""


def with_conclusions(domain: Domain, folder: Path, count: int) -> Domain:
    """The domain with a corpus of 30 passages, `count` of which end with a conclusion."""
    rows = []
    for number in range(30):
        ends = "These results suggest that {} grows better in the shade than in full sun."
        last = (ends if number < count else "The soil of {} was then dried.").format(
            f"herb {number}"
        )
        text = CONCLUDING.format(first=f"Herb {number} is sown.", count=number, last=last)
        title = f"Does herb {number} need sun?" if number % 2 else f"The light of herb {number}."
        rows.append({"id": f"p{number}", "title": title, "text": text, "source": ""})
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return replace(domain, corpus=path)


@pytest.mark.parametrize("count", [0, 3, 20])
@pytest.mark.parametrize("most", [8, 100])
def test_a_conclusion_answers_over_the_text_before_it(
    domain: Domain, tmp_path: Path, count: int, most: int
) -> None:
    domain = with_conclusions(domain, tmp_path, count)
    assert domain.corpus is not None
    passages = {row["id"]: row for row in read_jsonl(domain.corpus)}
    missing = {"long_answer": 5, "yesno": 4, "summarization": 2}
    pairs = concluded_rows(domain, missing, {"long_answer", "summarization"}, most, 0)
    kinds = [task["kind"] for task, _ in pairs]
    assert kinds == (["long_answer"] * 5 + ["summarization"] * 2)[:count]
    assert len({task["documents"][0] for task, _ in pairs}) == len(pairs)
    orders = set()
    for task, answer in pairs:
        passage = passages[task["documents"][0]]
        parts = dict(line.split(": ", 1) for line in task["input"].split("\n"))
        orders.add(tuple(parts))
        assert len(parts["Text"].split()) <= most
        assert passage["text"].endswith(f"{parts['Text']} {answer['output']}")
        assert answer["output"].startswith("These results suggest")
        assert passage["title"].strip(".") in parts["Question"]
        assert parts["Question"].endswith("?")
    assert len(orders) == min(2, len(pairs))
    assert pairs == concluded_rows(domain, missing, {"long_answer", "summarization"}, most, 0)


def test_conclusions_come_before_titles_and_change_nothing_else(
    domain: Domain, tmp_path: Path
) -> None:
    domain = with_conclusions(domain, tmp_path, 3)
    data = {
        way: make(Labels(helpful), domain, tmp_path / way, long_answers=way, train_on_seeds="none")
        for way in ("titles", "conclusions")
    }
    titled, concluded = (
        [row["id"].rpartition("-")[0] for row in data[way]] for way in ("titles", "conclusions")
    )
    assert "concluded" not in titled
    assert concluded.count("concluded") == 3
    assert len(concluded) == len(titled)
    rest = [[row for row in rows if "concluded-" not in row["id"] and "mined-" not in row["id"]]
            for rows in data.values()]  # fmt: skip
    assert rest[0] == rest[1]


def test_no_type_and_no_label_is_over_its_share(domain: Domain, tmp_path: Path) -> None:
    data = make(Labels(helpful), domain, tmp_path / "out", train_on_seeds="none")
    tasks = {row["id"]: row for row in read_jsonl(tmp_path / "out" / "instructions.jsonl")}
    report = json.loads((tmp_path / "out" / "instructions.json").read_text())
    kinds = Counter(tasks[row["id"]]["kind"] for row in data)
    assert sum(quota["wanted"] for quota in report["quotas"].values()) == 28
    for kind, quota in report["quotas"].items():
        assert kinds[kind] == quota["kept"] <= quota["wanted"]
    assert sum(report["bands"].values()) == len(data)
    assert len(data) <= 28
    yes = Counter(row["output"] for row in data if tasks[row["id"]]["kind"] == "yesno")
    assert abs(yes["yes"] - yes["no"]) <= 1
    long = sum(len(row["output"].split()) > 20 for row in data)
    assert 4 * long >= len(data)


def test_a_gate_that_no_type_passes_leaves_seeds_and_texts(domain: Domain, tmp_path: Path) -> None:
    def bare(prompt: str, decoding: Decoding) -> Response:
        return generation(" a liver" if "###" in prompt else " the heart and a liver")

    class Guessing(ScriptedBase):
        def score(self, pairs: Any, **_: Any) -> list[Response]:
            return [Response("loglikelihood", loglikelihood=-1.0) for _ in pairs]

    listener = Told()
    domain = replace(domain, seeds=tuple(s for s in domain.seeds if s.task_type != "ner"))
    params = {**SelfSpec.budgets["tiny"], "examples": 20, "max_calls": 40}
    out = tmp_path / "out"
    out.mkdir()
    data = make_data(Guessing(lambda p, d: generation("")), domain, params, out, listener)
    tasks = list(read_jsonl(out / "instructions.jsonl"))
    assert {task["mode"] for task in tasks} == {"mined"}
    assert {row["answered_by"] for row in data} == {"corpus", "hand"}
    assert any(line.startswith("gate: ") for line in listener.said)
    assert all(
        not trial["passed"] for trial in json.loads((out / "instructions.json").read_text())["gate"]
    )


def test_interrupted_anywhere_it_goes_on_to_the_same_files(domain: Domain, tmp_path: Path) -> None:
    make(Labels(helpful), domain, tmp_path / "whole", gate_seeds=2, gate_least=0.0)

    class Interrupted(Labels):
        def generate(self, *args: Any, **kwargs: Any) -> list[Response]:
            if len(self.asked) >= 60:
                raise KeyboardInterrupt
            return super().generate(*args, **kwargs)

    out = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        make(Interrupted(helpful), domain, out, gate_seeds=2, gate_least=0.0)
    make(Labels(helpful), domain, out, gate_seeds=2, gate_least=0.0)
    (out / "instructions.jsonl").unlink()  # killed between the two files
    (out / "data.jsonl").unlink()
    make(Labels(helpful), domain, out, gate_seeds=2, gate_least=0.0)
    for name in ("instructions", "responses", "dropped", "data"):
        file = f"{name}.jsonl"
        assert (out / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_types_that_are_short_of_their_share_are_trained_on_oftener(
    domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[TrainingExample]] = {}

    def trained(base: Any, examples: list[TrainingExample], *_: Any) -> dict[str, Any]:
        seen[shares] = examples
        return {}

    monkeypatch.setattr(specializer, "trained", trained)
    own = {"examples": 28, "max_calls": 80, "gate_seeds": 0}
    for shares in ("kept", "seeds"):
        params = {**SelfSpec.budgets["tiny"], **own, "type_shares": shares}
        (tmp_path / shares).mkdir()
        base = Labels(helpful)
        SelfSpec().specialize(base, domain, params, tmp_path / shares, NullProgress())
    files = [(tmp_path / shares / "data.jsonl").read_bytes() for shares in seen]
    assert files[0] == files[1]
    assert [replace(example, times=1) for example in seen["seeds"]] == seen["kept"]
    types = [row["task_type"] for row in read_jsonl(tmp_path / "seeds" / "data.jsonl")]
    often: dict[str, int] = {}
    for kind, example in zip(types, seen["seeds"], strict=True):
        assert often.setdefault(kind, example.times) == example.times
    assert all(often[kind] == 1 for kind in often if kind.startswith(READING))
    # A type of which less is written than its share of the seeds is shown oftener.
    of_seeds = Counter(seed.task_type for seed in domain.seeds)
    short = min(of_seeds, key=lambda kind: types.count(kind) / of_seeds[kind])
    assert often[short] > 1


def test_a_domain_without_a_corpus_is_told_what_to_do(tmp_path: Path) -> None:
    domain = load_domain(save_domain(tmp_path / "toy", corpus=None))
    params = dict(SelfSpec.budgets["tiny"])
    with pytest.raises(UserErrors, match="inputs is 'corpus', but domain 'toy' has no corpus"):
        SelfSpec().specialize(ScriptedBase(helpful), domain, params, tmp_path, NullProgress())


# -- votes -------------------------------------------------------------------


@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=7))
def test_the_vote_is_a_sample_that_is_most_frequent(samples: list[str]) -> None:
    verdict = vote_span(samples, 0.5)
    most = Counter(samples).most_common(1)[0][1]
    assert verdict.share == most / len(samples)
    assert bool(verdict.answer) == (most >= 0.5 * len(samples))
    if verdict.answer:
        assert samples.count(verdict.answer) == most


@given(st.lists(WORDS.map(", ".join), min_size=1, max_size=7))
def test_an_item_is_kept_where_half_of_the_samples_name_it(samples: list[str]) -> None:
    kept = set(filter(None, vote_items(samples, 0.5).answer.split(", ")))
    named = Counter(item for sample in samples for item in set(sample.split(", ")))
    assert kept == {item for item, count in named.items() if 2 * count >= len(samples)}


def test_mentions_are_copied_from_the_text_in_its_order() -> None:
    text = "Sage and Mint tea helped; thyme did not."
    said = [
        "mint tea <Herb>, sage <Herb>",
        "Sage <Herb>, mint tea <Herb>, anise <Herb>",
        "thyme <Root>",
    ]
    verdict, strangers = vote_mentions(said, "Mark each <Herb>.", text, 0.5)
    assert verdict.answer == "Sage <Herb>, Mint tea <Herb>"
    assert strangers == 2
    assert vote_mentions(["None", "None.", "x"], "Mark each <Herb>.", text, 0.5)[0].answer == "None"


@given(st.lists(st.tuples(st.floats(-9, 0), st.floats(-9, 0)), min_size=4, max_size=9),
       st.floats(-5, 5))  # fmt: skip
def test_what_a_model_says_to_anything_does_not_count(
    logs: list[tuple[float, float]], habit: float
) -> None:
    shifted = [(first + habit, second) for first, second in logs]
    for one, other in zip(calibrated(logs), calibrated(shifted), strict=True):
        assert one == pytest.approx(other, abs=1e-9)
        assert sum(one) == pytest.approx(1)


# -- quotas ------------------------------------------------------------------


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(1, 9), min_size=1),
       st.integers(0, 200))  # fmt: skip
def test_shares_sum_to_the_whole_and_are_within_one(weights: dict[str, int], total: int) -> None:
    found = largest_remainders(weights, total)
    assert sum(found.values()) == total
    for name, weight in weights.items():
        assert abs(found[name] - total * weight / sum(weights.values())) < 1


@given(
    st.lists(st.sampled_from(["ner", "yesno", "mined_title", ""]), min_size=1),
    st.dictionaries(st.sampled_from(["ner", "yesno", "relation"]), st.integers(1, 30), min_size=1),
)
def test_a_type_of_few_examples_is_shown_oftener_up_to_its_share_of_the_seeds(
    types: list[str], seeds: dict[str, int]
) -> None:
    times = repeats(types, seeds)
    assert len(times) == len(types)
    for kind, count in Counter(types).items():
        (often,) = {n for n, of in zip(times, types, strict=True) if of == kind}
        assert 1 <= often <= MOST_TIMES
        share = len(types) * seeds.get(kind, 0) / sum(seeds.values())
        if 1 < often < MOST_TIMES:
            assert abs(often * count - share) <= count / 2
        elif often == MOST_TIMES:
            assert share >= (often - 0.5) * count
        else:
            assert share <= 1.5 * count


@pytest.mark.parametrize("name", ["biomed", "generic", "finance"])
def test_long_answers_have_their_share(name: str) -> None:
    domain = load_domain(DOMAINS / name)
    frames = frames_of(domain.seeds)
    seeds = Counter(seed.task_type for seed in domain.seeds)
    wanted = type_quotas(frames, seeds, 100, 0.3)
    assert sum(wanted.values()) == 100
    long = {
        kind
        for kind in wanted
        if 2 * sum(band(f.seed.output) in ("sentence", "paragraph") for f in frames[kind])
        >= len(frames[kind])
    }
    assert sum(wanted[kind] for kind in long) >= 29  # what does not come out even


@given(st.lists(st.sampled_from(["yes", "no"]), max_size=30))
def test_no_label_is_kept_oftener_than_the_rarest_and_one(labels: list[str]) -> None:
    rows = [("yesno", ("yes", "no"), label) for label in labels]
    out = set(uneven(rows))
    kept = Counter(label for place, label in enumerate(labels) if place not in out)
    assert max(kept.values(), default=0) - min(kept["yes"], kept["no"]) <= 1
    assert min(kept["yes"], kept["no"]) == min(labels.count("yes"), labels.count("no"))


def test_a_full_label_has_no_room_while_its_fellow_has() -> None:
    quotas = Quotas({"yesno": 4})
    yes, no = (Cell("yesno", ("no", "yes"), label) for label in ("yes", "no"))
    quotas.take(yes)
    quotas.take(yes)
    assert not quotas.room(yes)
    assert quotas.room(no)


# -- filters, gate -----------------------------------------------------------

TEXT = "Sage tea eased the cough of 40 patients within three days, and mint did not."


@pytest.mark.parametrize(
    ("form", "within", "answer", "filter"),
    [
        ("span", "input", "sage tea", None),
        ("span", "input", "thyme", "ungrounded"),
        ("list", "input", "sage tea, mint", None),
        ("list", "input", "sage tea, anise", "ungrounded"),
        ("list", "input", "mint, mint", "loop"),
        ("span", "input", "", "votes"),
        ("free", "", "The patients who drank sage tea had less cough after three days.", None),
        (
            "free",
            "",
            "Thyme cures broken bones faster than every other plant known today.",
            "ungrounded",
        ),
        ("free", "", "Sage tea eased the cough of 40 patients within three days", "copied"),
        ("label", "", "yes", None),
    ],
)
def test_an_answer_is_borne_out_by_its_text(
    form: Any, within: str, answer: str, filter: str | None
) -> None:
    found = judge_grounded(
        form, within, "Say what eased the cough.", TEXT, TEXT, answer, cover=0.6, fewest=1, most=60
    )
    assert (found.filter if found else None) == filter


@pytest.mark.parametrize(
    ("answer", "filter"),
    [
        ("skin, gut, heart", "label"),
        ("heart, Gut, skin", "label"),
        ("skin, gut", None),
        ("skin", None),
        ("skin, liver", "ungrounded"),
        ("skin, nerves", "ungrounded"),  # of which the text does not speak
    ],
)
def test_a_set_of_labels_leaves_some_out_and_has_those_that_the_text_speaks_of(
    answer: str, filter: str | None
) -> None:
    asked = "Name each organ system involved, choosing from skin, gut, heart and nerves."
    if filter == "label":
        asked = asked.replace(", heart and nerves", " and heart")
    text = f"{TEXT} It reached skin, gut and heart."
    found = judge_grounded(
        "list", "instruction", asked, text, text, answer, cover=0.6, fewest=1, most=60
    )
    assert (found.filter if found else None) == filter


@given(st.integers(0, 3), st.integers(0, 3))
def test_a_run_of_a_demonstrations_answer_is_an_echo_unless_the_text_has_it(
    before: int, shared: int
) -> None:
    run = "eased the cough of 40 patients"
    theirs = "Fewer nosebleeds and less hoarseness with four months of sage than with mint"
    pieces = theirs.split()[before : before + 3 + shared]
    answer = f"The patients who drank tea {run} within three days: {' '.join(pieces)}"
    found = judge_grounded(
        "free", "", "Say it.", TEXT, TEXT, answer, cover=0.1, fewest=1, most=60, shown=[theirs]
    )
    assert (found is not None and found.filter == "echo") == (len(pieces) >= 5)
    shown = [f"It {run} within three days."]
    assert judge_grounded(
        "free", "", "Say it.", TEXT, TEXT, answer, cover=0.1, fewest=1, most=60, shown=shown
    ) is None  # fmt: skip


def test_no_seed_names_all_it_could_choose_from() -> None:
    for domain in ("biomed", "finance", "generic"):
        for seed in load_domain(DOMAINS / domain).seeds:
            said = f"{seed.instruction} {seed.input}"
            found = judge_grounded(
                "list", "instruction", seed.instruction, said, said, seed.output,
                cover=0.0, fewest=1, most=999,
            )  # fmt: skip
            assert found is None or found.filter != "label", seed.id


@pytest.mark.parametrize(
    ("label", "text", "said"),
    [
        ("infection", "The cells were infected twice.", True),
        ("hypertension", "hypertensive patients", True),
        ("Sustaining growth", "It sustained Growth.", True),
        ("proteinuria", "Two related proteins bind.", False),
        ("animal model", "An animal was seen.", False),
        ("gut", "a gut feeling", True),
        ("gut", "gutters", False),
        ("in a", "in all a text", False),
    ],
)
def test_a_text_speaks_of_a_label_in_its_own_words(label: str, text: str, said: bool) -> None:
    assert (label in spoken([label], text)) == said


@given(SAID, SAID, SAID)
def test_a_label_is_spoken_of_wherever_it_stands(
    before: list[str], label: list[str], after: list[str]
) -> None:
    name = " ".join(label)
    assert spoken([name], " ".join([*before, *label, *after])) == {name}


@given(WORDS, WORDS)
def test_cover_is_whole_for_a_piece_and_falls_with_strangers(
    own: list[str], more: list[str]
) -> None:
    text = " ".join([*own, *more])
    assert covered(" ".join(own), text) == 1.0
    assert covered("completely different statements", text) == 0.0


@given(st.lists(st.sampled_from(TEXT.split()), min_size=8, max_size=30), st.integers(0, 29))
def test_a_repeat_is_found_and_another_text_is_not(words: list[str], at: int) -> None:
    pool = NearDuplicates(0.8)
    pool.add("first", " ".join(words))
    assert pool.find(" ".join(words)) == ("first", 1.0)
    other = " ".join(f"x{number}{at}" for number in range(len(words)))
    assert pool.find(other) is None


def test_the_gate_never_shows_a_seed_its_own_answer() -> None:
    seeds = load_domain(DOMAINS / "biomed").seeds
    for kind in {seed.task_type for seed in seeds}:
        group = [seed for seed in seeds if seed.task_type == kind]
        trials = held_out(group, 8, 3)
        assert len({seed.id for seed, _ in trials}) == len(trials) == len(group)
        for seed, shown in trials:
            assert seed not in shown
            assert len(shown) == min(3, len(group) - 1)
