"""What is read off seeds: forms of answers, labels, moulds; and which texts suit them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.types import Seed
from specializers.domain import DOMAINS, load_domain
from specializers.selfspec.grounded.frames import Frame, form_of, frames_of, inventory
from specializers.selfspec.grounded.labels import turned
from specializers.selfspec.grounded.texts import FIRST_PERSON, suited, suits
from specializers.selfspec.wording import plain

BUILT_IN = sorted(path.name for path in DOMAINS.iterdir() if path.is_dir())
LABELS = st.lists(
    st.text("abcdefghijklmnop", min_size=4, max_size=9), min_size=2, max_size=6, unique=True
)
LEADS = (
    "Choose {}.",
    "Read the note and label it as {}.",
    "What is this? Options: {}.",
    "Sort the report into one class out of {}.",
    "Which of these fits ({})?",
)


def seed(name: str, output: str, *, text: str = "", instruction: str = "", kind: str = "t") -> Seed:
    return Seed(name, instruction or f"Say what {name} is.", text, output, kind, "teas")


@given(labels=LABELS, lead=st.sampled_from(LEADS), last=st.sampled_from([" or ", ", or ", ", "]),
       capital=st.booleans(), pick=st.randoms(use_true_random=False))  # fmt: skip
def test_the_labels_an_instruction_lists_are_read_whichever_is_the_answer(
    labels: list[str], lead: str, last: str, capital: bool, pick: random.Random
) -> None:
    from specializers.selfspec.grounded.labels import _LEADS

    labels = [label.capitalize() if capital else label for label in labels if label not in _LEADS]
    if len(labels) < 2 or (not capital and lead.startswith("Choose")):
        return  # a verb before small letters cannot be told from a label
    if lead.startswith("Read") and capital:
        lead = "Label it as {}."  # "Read the note" could be a label with a capital
    told = ", ".join(labels[:-1]) + last + labels[-1]
    answer = pick.choice(labels)
    assert inventory(lead.format(told), answer) == tuple(labels)


@given(labels=LABELS)
def test_turning_the_options_round_twice_gives_the_instruction_again(labels: list[str]) -> None:
    instruction = f"Choose one: {', '.join(labels)}."
    other = turned(instruction, tuple(labels))
    assert other != instruction
    assert turned(other, tuple(labels)) == instruction
    assert sorted(plain(other).split()) == sorted(plain(instruction).split())


@pytest.mark.parametrize(
    ("outputs", "form"),
    [
        (["sage <Herb>", "None", "mint <Herb>, tea <Drink>"], "mentions"),
        (["yes", "no", "yes"], "label"),
        (["sage, mint", "mint, tea", "ginger root, sage, anise"], "list"),
        (["sage", "the grey leaf", "mint"], "span"),
        (["It is grey and grows on dry hills, where nothing else does."] * 3, "free"),
    ],
)
def test_forms_of_answers(outputs: list[str], form: str) -> None:
    seeds = [seed(f"s{n}", output, text="A text.") for n, output in enumerate(outputs)]
    assert form_of(seeds) == form


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_mould_of_a_built_in_domain_makes_its_own_seed_again(name: str) -> None:
    domain = load_domain(DOMAINS / name)
    moulds = [frame for group in frames_of(domain.seeds).values() for frame in group]
    assert len(moulds) >= 0.9 * len(domain.seeds)
    for frame in moulds:
        assert frame.task(frame.text, frame.values) == (frame.seed.instruction, frame.seed.input)
        if frame.form == "label":
            assert frame.seed.output in frame.labels


def _mould(text: str, output: str = "sage") -> Frame:
    (group,) = frames_of([seed("a", output, text=text), seed("b", output, text=text)]).values()
    return group[0]


def test_texts_show_what_the_seeds_texts_show_and_nothing_is_taken_silently() -> None:
    numbers = _mould("It took 12 days and 30 cups of a strong tea to heal the cough.")
    pool = [(f"p{n}", f"After {n} days and {n + 3} cups of tea the cough was gone.")
            for n in range(9)]  # fmt: skip
    pool += [("plain", "Tea was drunk by all and the cough was gone by the evening.")]
    found = suited("t", [numbers], pool, 60, 0)
    assert {text.passage for text in found.texts} == {f"p{n}" for n in range(9)}
    assert (found.found, found.lacking) == (9, "")
    few = suited("t", [numbers], pool[-1:], 60, 0)
    assert [text.passage for text in few.texts] == ["plain"]
    assert few.lacking == "0 texts of the corpus show two numbers; others are taken too"


def test_a_corpus_in_which_nobody_speaks_of_themselves_has_no_text_for_such_a_type() -> None:
    own = _mould("I drank my tea for a week and my cough was gone by the evening.")
    found = suited(
        "t", [own], [("p", "Tea was drunk by all for a week and the cough went.")], 60, 0
    )
    assert found.texts == ()
    assert FIRST_PERSON in found.lacking


def test_a_text_is_whole_sentences_of_one_passage() -> None:
    passage = "Sage is grey. Mint is green and cool. Ginger warms. Anise is sweet."
    mould = _mould("Sage is a grey herb that soothes throats of all kinds.")
    for number in range(20):
        (text,) = suited("t", [mould], [("p", passage)], 60, number).texts
        assert text.text in passage
        assert text.text.endswith(".")


LABELS = ("wind power", "hydropower", "tides", "geothermal heat", "sun", "biomass")


def set_mould() -> Frame:
    instruction = (
        f"Name what the island relies on, separated by commas. Possible: {', '.join(LABELS)}."
    )
    seeds = [
        Seed(f"s{n}", instruction, f"Report {n}: turbines and a dam.", answer, "set", "energy")
        for n, answer in enumerate(("wind power, hydropower", "tides, biomass", "sun, tides"))
    ]
    return frames_of(seeds)["set"][0]


@given(st.sets(st.sampled_from(LABELS)), st.randoms())
def test_a_set_of_labels_suits_a_text_that_speaks_of_two_of_them(
    named: set[str], rng: random.Random
) -> None:
    frame = set_mould()
    assert frame.offered == LABELS
    # A word of each, by which no two of them are alike.
    told = [max(label.split(), key=len) for label in named]
    text = ["the", "report", "of", "may", "says", "little", *told]
    rng.shuffle(text)
    assert suits(frame, " ".join(text)) == (len(named) >= 2)


def test_other_moulds_suit_any_text() -> None:
    for group in frames_of(load_domain(DOMAINS / "biomed").seeds).values():
        for frame in group:
            if not frame.offered:
                assert suits(frame, "a")
