"""Each filter drops what it is for, says why, and leaves its neighbours alone."""

from __future__ import annotations

import pytest

from harness.types import Seed
from specializers.domain import find_domain, load_domain
from specializers.selfspec.filters import (
    InstructionFilters,
    ResponseFilters,
    is_foreign,
    is_loop,
)

SEED = Seed("s1", "Name the remedy in the sentence.", "Mint helps a cough.", "mint", "ner", "teas")
SEEDS = (SEED, Seed("s2", "What is sage good for?", "", "throats", "factoid", "teas"))
LOOP = "the dose is ten and " * 10


def filters(novelty: str = "instruction") -> InstructionFilters:
    return InstructionFilters(
        SEEDS,
        min_words=4,
        max_words=20,
        max_sentences=2,
        max_input_words=60,
        novelty=novelty,
        threshold=0.7,
    )


@pytest.mark.parametrize(
    ("instruction", "text", "name"),
    [
        ("Name a tea.", "", "length"),
        ("Name one tea " + "and another one " * 10, "", "length"),
        ("Say which herbs are dried.", "word " * 61, "input_length"),
        ("- Say which herbs are dried.", "", "first_character"),
        ("Über herbs say something wise.", "", "first_character"),
        ("Sage is grey. Mint is green. Ginger?", "", "sentences"),
        ("Say which of these it is:", "sage", "open_end"),
        ("Draw me a big sage leaf.", "", "blacklist"),
        ("Explain what is in the picture.", "sage", "blacklist"),
        ("Say which herbs are dried.", "[insert herbs here]", "placeholder"),
        ("Say which herbs are dried.", "<text>", "placeholder"),
        ("Say what the passage is about.", "", "missing_input"),
        ("Which of the following is a herb?", "", "missing_input"),
        ("The patient drank a lot of sage tea.", "", "statement"),
        ("Dites quelles plantes sont dans les jardins pour une tisane.", "", "language"),
        ("Say which herbs are dried.", LOOP, "loop"),
        ("Say which herbs are dried.", "say which herbs are dried", "copy"),
        ("Find any plant that was named.", "Mint  helps a COUGH", "copy"),
        ("What is sage good for", "", "copy"),
        ("Name the one remedy in the sentence.", "Sage soothes throats.", "novelty"),
    ],
)
def test_a_candidate_is_dropped_for_a_stated_reason(instruction: str, text: str, name: str) -> None:
    refusal = filters().judge("new", instruction, text)
    assert refusal is not None
    assert refusal.filter == name
    assert refusal.reason


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        ("Say what the passage is about.", "Sage is a herb that grows on dry hills."),
        ("Which herbs contain rosmarinic acid?", ""),
        ("The ointment or the tea, which acts faster?", ""),
        ("Explain how profile matching and filed claims differ.", ""),
        ("Mark each remedy as mention <Remedy>.", "Ginger root was boiled for TNF-α research."),
    ],
)
def test_a_sound_candidate_is_kept(instruction: str, text: str) -> None:
    assert filters().judge("new", instruction, text) is None


def test_what_was_accepted_counts_for_novelty() -> None:
    judge = filters()
    assert judge.judge("a", "List the oils that ease a stiff neck.", "") is None
    refusal = judge.judge("b", "List the oils that ease a stiff back.", "")
    assert refusal is not None
    assert (refusal.filter, refusal.reason) == ("novelty", "ROUGE-L 0.88 to a")


def test_novelty_may_count_the_input() -> None:
    text = "Ginger was boiled for an hour before the guests came up from the lake."
    by_instruction, with_input = filters(), filters("instruction+input")
    assert by_instruction.judge("a", SEED.instruction, text) is not None
    assert with_input.judge("a", SEED.instruction, text) is None
    again = with_input.judge("b", "Name any remedy there is.", text)
    assert again is not None
    assert again.filter == "copy"


def answers(share: float = 1.0, floor: int = 0) -> ResponseFilters:
    return ResponseFilters(label_share=share, label_floor=floor)


@pytest.mark.parametrize(
    ("instruction", "text", "output", "cut", "name"),
    [
        ("Name the herb.", "Sage is grey.", " \n", False, "empty"),
        ("Name the herb.", "Sage is grey.", "1. 2. 3. 4. 5.", False, "empty"),
        ("Name the herb.", "Sage is grey.", "sage", True, "cut"),
        ("Name the herb.", "Sage is grey.", "sage is grey", False, "copied"),
        ("Say if it is so: I am afraid of sage.", "", "I am afraid of sage", False, "copied"),
        ("Name the herb.", "Sage is grey.", "It is this:", False, "open_end"),
        ("Name the herb.", "", "это green шалфей", False, "language"),
        (
            "Shorten it.",
            "Sage is a grey and hardy herb.",
            "Sage is a grey, hardy herb.",
            False,
            "copied",
        ),
        ("Name the herb.", "", LOOP, False, "loop"),
        ("Name the herb.", "Sage is grey.", "no", False, "verdict"),
    ],
)
def test_an_answer_is_dropped_for_a_stated_reason(
    instruction: str, text: str, output: str, cut: bool, name: str
) -> None:
    found = answers().judge(instruction, text, output, cut)
    if name == "copied" and "afraid" in instruction:
        # Five words or fewer may be a label of the instruction.
        assert found is None
        found = answers().judge(
            "Say if it is so: I am very much afraid of sage.", "", "I am very much afraid of", False
        )
    assert found is not None
    assert found.filter == name


@pytest.mark.parametrize(
    "instruction",
    ["Is sage a herb?", "Decide: herb or not.", "Answer true or false.", "Sage: is it grey?"],
)
def test_a_verdict_answers_a_question_of_its_kind(instruction: str) -> None:
    assert answers().judge(instruction, "", "Yes.", False) is None


def test_a_number_is_an_answer() -> None:
    assert answers().judge("How many herbs are there?", "", "25", False) is None


def test_no_short_answer_crowds_out_the_others() -> None:
    judge = answers(share=0.5, floor=2)
    kept = [
        judge.judge("Is it so?", str(n), label, False) is None
        for n, label in enumerate(["yes", "Yes.", "yes", "no", "no", "yes", "yes"])
    ]
    assert kept == [True, True, False, True, True, False, False]
    assert judge.judge("Is it so?", "", "mint", False) is None
    assert judge.judge("Is it so?", "", "yes", False) is None
    long = "a long answer that is no label"
    assert all(judge.judge("Explain.", str(n), long, False) is None for n in range(5))


def test_loops_and_languages() -> None:
    assert is_loop(LOOP)
    assert not is_loop("The dose is ten. " * 3)
    assert not is_loop(" ".join(f"word{n}" for n in range(50)))
    assert is_foreign("Der Patient ist mit der Behandlung nicht zufrieden")
    assert not is_foreign("Levels of TNF-α and IL-1β rose in the de la Tourette cohort")
    assert not is_foreign("")


@pytest.mark.parametrize("name", ["biomed", "generic"])
def test_no_filter_would_drop_a_hand_written_seed(name: str) -> None:
    seeds = load_domain(find_domain(name)).seeds
    judge = InstructionFilters(
        SEEDS,
        min_words=4,
        max_words=150,
        max_sentences=3,
        max_input_words=160,
        novelty="instruction+input",
        threshold=0.7,
    )
    judged = {
        seed.id: judge.judge(seed.id, seed.instruction, seed.input)
        or answers().judge(seed.instruction, seed.input, seed.output, False)
        for seed in seeds
    }
    assert {name: refusal for name, refusal in judged.items() if refusal} == {}
