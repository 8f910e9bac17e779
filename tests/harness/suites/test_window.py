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
    assert fit_demonstrations(inputs, 5, 200, count) == {}
    assert fit_demonstrations([], 5, 10, count) == {}


def test_the_longest_demonstrations_are_cut_and_no_more_than_is_needed():
    inputs = [qa(40), qa(5, name="v"), qa(30, name="u")]  # 44, 9 and 34 words
    (first,) = fit_demonstrations(inputs, 4, 60, count).items()
    assert (first[0], count(first[1])) == (inputs[0], 40)
    both = fit_demonstrations(inputs, 20, 60, count)
    assert {text: count(short) for text, short in both.items()} == {inputs[0]: 29, inputs[2]: 29}
    # Never below an equal share of half the window: 10 each.
    most = fit_demonstrations(inputs, 99, 60, count)
    assert {count(short) for short in most.values()} == {10}


LENGTHS = st.lists(st.integers(8, 60), max_size=4)


@given(LENGTHS, st.integers(8, 60), st.integers(30, 250))
def test_what_is_cut_is_what_does_not_fit(shown, own, room):
    inputs = [qa(words, f"question {n} ?", name=f"w{n}x") for n, words in enumerate(shown)]
    item = qa(own, "own ?", name="v")
    prompt = "\n\n".join([*(f"{text}\nAnswer: yes" for text in inputs), f"{item}\nAnswer:"])
    fitted = fit_prompt(prompt, item, inputs, room, count)
    # What is left of each context where no more can go: an equal share, or one word.
    least = [min(count(t), max(5, room // 2 // len(inputs))) + 2 for t in inputs]
    untouched = sum(map(count, inputs)) <= room // 2
    floor = sum(count(t) + 2 for t in inputs) if untouched else sum(least)
    excess = count(prompt) - room
    if excess <= 0:
        assert fitted == prompt
    elif floor + 6 <= room:
        # To the word, but for the one length that all long demonstrations have.
        assert room - max(0, len(inputs) - 1) <= count(fitted) <= room
    for number, _ in enumerate(shown):
        assert f"Question: question {number} ?\nAnswer: yes" in fitted
    assert fitted.endswith("Question: own ?\nAnswer:")


def test_question_labels_and_instruction_stay():
    shown, own = qa(40, "first ?"), qa(50, "second ?", name="v")
    prompt = f"Answer the question.\n\n{shown}\nAnswer: yes\n\n{own}\nAnswer:"
    room = 60
    fitted = fit_prompt(prompt, own, [shown], room, count)
    assert count(fitted) == room
    for kept in (
        "Answer the question.",
        "Question: first ?\nAnswer: yes",
        "Question: second ?\nAnswer:",
    ):
        assert kept in fitted
    assert fitted.startswith("Answer the question.\n\nContext: w0 w1")


def test_a_prompt_that_fits_is_not_touched():
    prompt = f"Do it.\n\n{qa(5)}\nAnswer:"
    assert fit_prompt(prompt, qa(5), [], 50, count) == prompt
