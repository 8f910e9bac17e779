"""Over-long prompts lose context, never a question or a label."""

from hypothesis import given
from hypothesis import strategies as st

from harness.suites.window import fit_demonstrations, fit_prompt, shorten


def count(text):
    return len(text.split())


def qa(words, question="why ?", name="w"):
    return "Context: " + " ".join(f"{name}{i}" for i in range(words)) + f"\nQuestion: {question}"


def test_the_end_of_the_longest_line_goes():
    assert shorten(qa(5), 2, count) == "Context: w0 w1 w2\nQuestion: why ?"


def test_what_cannot_be_saved_keeps_its_first_word():
    assert shorten(qa(5), 99, count) == "Context:\nQuestion: why ?"


@given(st.integers(6, 60), st.integers(0, 70))
def test_no_more_is_cut_than_asked(words, excess):
    text = qa(words)
    cut = count(text) - count(shorten(text, excess, count))
    assert cut == min(excess, words)


def test_demonstrations_that_fit_in_half_the_window_are_left_alone():
    inputs = [qa(10), qa(12, name="v")]
    assert fit_demonstrations(inputs, 200, count) == {}
    assert fit_demonstrations([], 10, count) == {}


def test_demonstrations_are_cut_to_an_equal_share():
    inputs = [qa(40), qa(5, name="v")]
    shortened = fit_demonstrations(inputs, 60, count)
    assert list(shortened) == [inputs[0]]
    assert count(shortened[inputs[0]]) == 15


def test_question_labels_and_instruction_stay():
    shown, own = qa(40, "first ?"), qa(50, "second ?", name="v")
    prompt = f"Answer the question.\n\n{shown}\nAnswer: yes\n\n{own}\nAnswer:"
    room = 60
    shortened = fit_demonstrations([shown], room, count)
    fitted = fit_prompt(prompt, own, shortened, room, count)
    assert count(fitted) <= room
    for kept in (
        "Answer the question.",
        "Question: first ?\nAnswer: yes",
        "Question: second ?\nAnswer:",
    ):
        assert kept in fitted
    assert fitted.startswith("Answer the question.\n\nContext: w0 w1")


def test_a_prompt_that_fits_is_not_touched():
    prompt = f"Do it.\n\n{qa(5)}\nAnswer:"
    assert fit_prompt(prompt, qa(5), {}, 50, count) == prompt
