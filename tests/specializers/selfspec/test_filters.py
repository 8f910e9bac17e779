"""Each filter drops what it is for, says why, and leaves its neighbours alone."""

from __future__ import annotations

import pytest

from harness.types import Seed
from specializers.domain import DOMAINS, load_domain
from specializers.selfspec.answer_filters import LabelBalance, judge_answer
from specializers.selfspec.filters import InstructionFilters
from specializers.selfspec.wording import is_foreign, is_loop, is_order_or_question, restates

SEED = Seed("s1", "Name the remedy in the sentence.", "Mint helps a cough.", "mint", "ner", "teas")
SEEDS = (SEED, Seed("s2", "What is sage good for?", "", "throats", "factoid", "teas"))
LOOP = "the dose is ten and " * 10


def filters(novelty: str = "instruction") -> InstructionFilters:
    return InstructionFilters(
        SEEDS,
        min_words=4,
        max_words=20,
        max_sentences=2,
        min_input_words=3,
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
        ("Say which herbs are dried.", "Sage alone", "input_length"),
        ("- Say which herbs are dried.", "", "first_character"),
        ("Über herbs say something wise.", "", "first_character"),
        ("Sage is grey. Mint is green. Ginger?", "", "sentences"),
        ("Say which of these it is:", "sage or mint", "open_end"),
        ("Draw me a big sage leaf.", "", "blacklist"),
        ("Explain what is in the picture.", "sage and mint", "blacklist"),
        ("Say which herbs are dried.", "[insert herbs here]", "placeholder"),
        ("Say which herbs are dried.", "<text on dried herbs>", "placeholder"),
        ("Say what the passage is about.", "", "missing_input"),
        ("Which of the following is a herb?", "", "missing_input"),
        ("From the article on sage, compare tea with balm.", "", "missing_input"),
        ("Summarise what is known of sage.", "", "missing_input"),
        ("Compare the two statements on sage.", "Sage is a grey herb.", "missing_input"),
        ("The patient drank a lot of sage tea.", "", "statement"),
        ("You have a normal day. You have tea.", "", "statement"),
        ("In recent years, sage has become popular.", "", "statement"),
        ("What is the best tea for a cough?", "The best tea for a cough is sage.", "restated"),
        ("Explain how sage helps a cough.", "Does ginger do so too?", "restated"),
        ("Say which herbs are dried.", "I am here to assist with herbs.", "chatter"),
        (
            "Say which herbs are dried.",
            "The sage was dried in May. The sage was dried in late May. It was good.",
            "loop",
        ),
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
        ("Is sage safe? Say yes or no, from the passage.", "Sage is safe in tea."),
        ("Answer the question on teas.", "Does ginger tea help a cough?"),
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


def test_what_an_order_is() -> None:
    for text in ("Given a note, mark true or false.", "How does it act", "Please rank the teas."):
        assert is_order_or_question(text), text
    for text in ("Sage is grey.", "A tea was drunk, and it helped.", ""):
        assert not is_order_or_question(text), text


def test_restating_is_saying_most_of_it_at_once() -> None:
    asked = "Indicate the most common side effects of a tea."
    assert restates("The most common side effects of the tea are few.", asked)
    assert not restates("A tea was drunk. " * 9 + "It had side effects.", asked)


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
        ("Name the herb.", "Sage is grey.", "I'm sorry, but I cannot.", False, "chatter"),
        ("Name the herb.", "Sage is grey.", "12", False, "number"),
        ("Name the herb.", "Sage is grey.", "fennel", False, "echo"),
        ("Call it Good, Bad or Neither.", "Sage is grey.", "positive", False, "label"),
        ("Write each as mention <Herb>.", "Sage is grey.", "mint <Herb>", False, "ungrounded"),
        ("Extract the herbs.", "Sage is grey.", "mint, ginger, sage", False, "ungrounded"),
    ],
)
def test_an_answer_is_dropped_for_a_stated_reason(
    instruction: str, text: str, output: str, cut: bool, name: str
) -> None:
    found = judge_answer(instruction, text, output, cut=cut, shown=["Fennel."])
    if name == "copied" and "afraid" in instruction:
        # Five words or fewer may be a label of the instruction.
        assert found is None
        found = judge_answer(
            "Say if it is so: I am very much afraid of sage.", "", "I am very much afraid of"
        )
    assert found is not None
    assert found.filter == name


@pytest.mark.parametrize(
    "instruction",
    ["Is sage a herb?", "Decide: herb or not.", "Answer true or false.", "Sage: is it grey?"],
)
def test_a_verdict_answers_a_question_of_its_kind(instruction: str) -> None:
    assert judge_answer(instruction, "", "Yes.") is None


@pytest.mark.parametrize(
    ("instruction", "text", "output"),
    [
        ("Call it Good, Bad or Neither.", "Sage is grey.", "Good"),
        ("Is it a herb? Choose yes or no.", "Sage is grey.", "no"),
        ("Name the herb.", "Fennel is tall.", "fennel"),
        ("Write each as mention <Herb>.", "Sage is grey.", "Sage <Herb>"),
        ("Write each as mention <Herb>, or None.", "Grass is green.", "None"),
        ("What share of the herbs was dried?", "Give a percentage of the 40.", "25%"),
    ],
)
def test_an_answer_of_the_kind_asked_for_is_kept(instruction: str, text: str, output: str) -> None:
    assert judge_answer(instruction, text, output, shown=["fennel", "no", "Good"]) is None


def test_a_number_is_an_answer() -> None:
    assert judge_answer("How many herbs are there?", "", "25") is None


def test_no_short_answer_crowds_out_the_others() -> None:
    judge = LabelBalance(label_share=0.5, label_floor=2)
    kept = [
        judge.judge(label) is None for label in ["yes", "Yes.", "yes", "no", "no", "yes", "yes"]
    ]
    assert kept == [True, True, False, True, True, False, False]
    assert judge.judge("mint") is None
    assert judge.judge("yes") is None
    long = "a long answer that is no label"
    assert all(judge.judge(long) is None for _ in range(5))


def test_loops_and_languages() -> None:
    assert is_loop(LOOP)
    assert not is_loop("The dose is ten. " * 3)
    assert not is_loop(" ".join(f"word{n}" for n in range(50)))
    assert is_foreign("Der Patient ist mit der Behandlung nicht zufrieden")
    assert not is_foreign("Levels of TNF-α and IL-1β rose in the de la Tourette cohort")
    assert not is_foreign("")


@pytest.mark.parametrize("name", ["biomed", "generic"])
def test_no_filter_would_drop_a_hand_written_seed(name: str) -> None:
    seeds = load_domain(DOMAINS / name).seeds
    judge = InstructionFilters(
        SEEDS,
        min_words=4,
        max_words=150,
        max_sentences=3,
        min_input_words=4,
        max_input_words=160,
        novelty="instruction+input",
        threshold=0.7,
    )
    judged = {
        seed.id: judge.judge(seed.id, seed.instruction, seed.input)
        or judge_answer(
            seed.instruction,
            seed.input,
            seed.output,
            shown=[other.output for other in seeds if other is not seed],
        )
        for seed in seeds
    }
    assert {name: refusal for name, refusal in judged.items() if refusal} == {}
