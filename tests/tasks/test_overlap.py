import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tasks.overlap import best_token_f1, box_f1, rouge_l, squad_normalise, token_f1

WORDS = st.lists(
    st.sampled_from(["the", "cells", "dividing", "divide", "of", "a", "p53", "tumour"]), max_size=8
)
TEXT = WORDS.map(" ".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Hypocretin-1!", "hypocretin1"),
        ("an apple, a day", "apple day"),
        ("theory of a anatomy", "theory of anatomy"),
        ("a", ""),
        ("“x”", "“x”"),  # only ASCII punctuation goes, as in SQuAD's own script
    ],
)
def test_squad_normalise(text, expected):
    assert squad_normalise(text) == expected


@pytest.mark.parametrize(
    ("answer", "accepted", "expected"),
    [
        ("breast cancer", "Breast Cancer.", 1.0),
        ("breast", "breast cancer", 2 / 3),
        ("cell cell", "cell", 2 / 3),  # multisets: the second "cell" is no match
        ("lung", "breast", 0.0),
        ("", "breast", 0.0),
        ("the", "a", 1.0),
        ("the", "breast", 0.0),
    ],
)
def test_token_f1(answer, accepted, expected):
    assert token_f1(answer, accepted) == pytest.approx(expected)


def test_best_token_f1_takes_the_best():
    assert best_token_f1("orexin B", ["hypocretin", "orexin-A", "orexin"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("answer", "golds", "expected"),
    [
        ("asthma <Disease>", ["asthma <Disease>", "flu <Disease>"], 1.0),  # one of two: full marks
        # all of two: 4 words against 2, 2 shared
        ("asthma <Disease>, flu <Disease>", ["asthma <Disease>", "flu <Disease>"], 4 / 6),
        ("Yes", ["yes"], 1.0),
        ("yes indeed", ["yes"], 2 / 3),
        ("None", ["None"], 1.0),
        ("", ["yes"], 0.0),
        ("flu", ["asthma, flu"], 1.0),  # a comma inside a gold answer splits it, too
    ],
)
def test_box_f1(answer, golds, expected):
    assert box_f1(answer, golds) == pytest.approx(expected)


@given(TEXT, TEXT)
def test_token_f1_is_symmetric_and_bounded(one, other):
    assert token_f1(one, other) == token_f1(other, one)
    assert 0.0 <= token_f1(one, other) <= 1.0
    assert token_f1(one, one) == 1.0


@given(TEXT, TEXT.filter(bool))
def test_rouge_l_equals_rouge_score(answer, reference):
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    assert rouge_l(answer, [reference]) == scorer.score(reference, answer)["rougeL"].fmeasure


def test_rouge_l_stems_and_takes_the_best_reference():
    assert rouge_l("cells dividing", ["nothing alike", "cell divides"]) == 1.0
    # LCS of 2 words; precision 2/3, recall 2/4
    assert rouge_l("drug helps patients", ["the drug helped nobody"]) == pytest.approx(4 / 7)


GOLDS = st.lists(TEXT.filter(bool), min_size=1, max_size=4)


@given(TEXT, GOLDS, st.randoms())
def test_scores_are_bounded_and_take_the_golds_in_any_order(answer, golds, rng):
    turned = rng.sample(golds, len(golds))
    for score in (box_f1, best_token_f1, rouge_l):
        assert 0.0 <= score(answer, golds) <= 1.0
        assert score(answer, golds) == score(answer, turned)
        assert score(golds[0], golds) == 1.0
        # One more accepted answer never costs anything.
        assert score(answer, [*golds, answer or "x"]) >= score(answer, golds)


@given(TEXT.filter(bool), TEXT.filter(bool))
def test_rouge_l_is_symmetric(one, other):
    assert rouge_l(one, [other]) == pytest.approx(rouge_l(other, [one]))


@given(TEXT, TEXT)
def test_token_f1_is_the_harmonic_mean_of_precision_and_recall(one, other):
    ours, theirs = squad_normalise(one).split(), squad_normalise(other).split()
    left = list(theirs)
    for word in ours:
        if word in left:
            left.remove(word)
    shared = len(theirs) - len(left)
    if shared:
        precision, recall = shared / len(ours), shared / len(theirs)
        assert token_f1(one, other) == pytest.approx(2 * precision * recall / (precision + recall))
    else:
        assert token_f1(one, other) == float(not ours and not theirs)
