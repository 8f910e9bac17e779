"""Thoughts are set apart whatever marks them, and a text without marks stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.thoughts import MARKS, opens_thoughts, part

# Letters, white space and what stop strings are made of, but no mark.
TEXTS = st.text(st.sampled_from("ab yesno\n.:#<>"), max_size=40).filter(
    lambda text: not any(mark in text for pair in MARKS for mark in pair)
)
ANSWERS = TEXTS.map(str.strip).filter(bool)


@given(TEXTS)
def test_a_text_without_marks_comes_back_to_the_character(text):
    parted = part(text)
    assert (parted.thoughts, parted.answer, parted.closed) == ("", text, True)


@given(st.sampled_from(MARKS), st.lists(TEXTS, min_size=1, max_size=3), ANSWERS)
def test_the_answer_is_what_stands_after_the_thoughts(marks, thoughts, answer):
    opening, closing = marks
    text = "".join(f"\n{opening}{thought}{closing}\n\n" for thought in thoughts) + answer
    parted = part(text)
    assert (parted.answer, parted.closed) == (answer, True)
    assert parted.thoughts == "\n\n".join(t.strip() for t in thoughts if t.strip())


@given(st.sampled_from(MARKS), TEXTS, ANSWERS)
def test_the_opening_mark_may_stand_in_the_prompt(marks, thought, answer):
    opening, closing = marks
    assert opens_thoughts(f"Question?\n{opening}\n")
    text = f"{thought}{closing}\n\n{answer}"
    for opened in (True, False):
        parted = part(text, opened=opened)
        assert (parted.thoughts, parted.answer) == (thought.strip(), answer)


@given(st.sampled_from(MARKS), TEXTS, ANSWERS, st.integers(0, 200))
def test_no_part_of_unended_thoughts_is_ever_an_answer(marks, thought, answer, at):
    opening, closing = marks
    whole = f"{opening}{thought}{closing}{answer}"
    cut = whole[: len(opening) + at % (len(thought) + len(closing))]
    parted = part(cut)
    assert (parted.answer, parted.closed) == ("", False)
    # Without the mark, cut before the closing one begins.
    parted = part(thought, opened=True)
    assert (parted.answer, parted.closed) == ("", False)


@given(st.sampled_from(MARKS), TEXTS, TEXTS, TEXTS, ANSWERS)
def test_thoughts_within_thoughts_are_thoughts(marks, one, two, three, answer):
    opening, closing = marks
    parted = part(f"{opening}{one}{opening}{two}{closing}{three}{closing}{answer}")
    assert parted.answer == answer


@pytest.mark.parametrize(
    ("text", "thoughts", "answer", "closed"),
    [
        ("<think></think>yes", "", "yes", True),
        ("yes </think>", "yes", "", True),
        ("<think>a</think>yes</think>", "a", "yes</think>", True),
        ("<|channel|>analysis<|message|>no, wait<|end|><|start|>assistant<|channel|>final"
         "<|message|>yes<|return|>", "no, wait", "yes", True),
        ("<|channel|>analysis<|message|>no, wa", "no, wa", "", False),
        ("analysisWe think no.assistantfinalyes", "analysisWe think no.", "yes", True),
        ("analysis of the case: yes", "", "analysis of the case: yes", True),
    ],
)  # fmt: skip
def test_forms_of_single_models(text, thoughts, answer, closed):
    parted = part(text)
    assert (parted.answer, parted.closed) == (answer, closed)
    assert parted.thoughts == thoughts
