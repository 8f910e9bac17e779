"""Answers as models write them: parsers are tolerant of form and strict about meaning.

All are invented for these tests.
"""

import pytest

from tasks.mentions import parse_mentions
from tasks.overlap import squad_normalise
from tasks.parsing import parse_label, parse_labels, parse_list, parse_span

YES_NO = ["yes", "no"]
SENTIMENT = ["Positive", "Negative", "Neutral"]
HALLMARKS = ["Resisting cell death", "Inducing angiogenesis", "Cellular energetics"]
DEATH, VESSELS, ENERGY = HALLMARKS

ONE_LABEL = [
    ("Yes.", "yes"),
    ("yes\n", "yes"),
    ("YES!", "yes"),
    ("**No**", "no"),
    ("Answer: no", "no"),
    ("My answer is yes.", "yes"),
    ("The final answer is: no", "no"),
    ("Yes, because the treated group lived longer.", "yes"),
    ("No, since the trial was too small to tell.", "no"),
    ("Based on the context, yes.", "yes"),
    ("> yes", "yes"),
    ("1) no", "no"),
    ("'yes'", "yes"),
    ("(no)", "no"),
    ("yes - the dose was halved", "yes"),
    ("Yes\n\nThe reason is in the last sentence.", "yes"),
    ("no</s>", "no"),
    ("yes<|eot_id|>", "yes"),
    ("<think>Both arms look alike.</think>no", "no"),
    ("Sure! The answer is **yes**.", "yes"),
    ("Output: no", "no"),
    ("Therefore, the answer is no.", "no"),
    ("yes yes yes", "yes"),
    ("Label: Yes", "yes"),
    ("It is a yes.", "yes"),
    ("Short answer: no", "no"),
    ("`yes`.", "yes"),
    ("### Answer: no", "no"),
    ("Yes, there is no doubt about it.", "yes"),
    ("Yes, no patient relapsed.", "yes"),
]
NO_OR_TWO_LABELS = [
    "yes or no",
    "Yes and no.",
    "yes/no",
    "Either yes or no would do.",
    "yes, no",
    "no, yes",
    "It could be yes, it could be no.",
    "Yes for adults, no for children.",
    "no\nyes",
    "1. yes\n2. no",
    "- Yes\n- No",
    "Answer with yes or no alone.",
    "Yes? No?",
    "yes; on second thought no",
    "**yes** / **no**",
    "Yes.\n\nNo.",
    "yes|no",
    "The options are yes and no.",
    "The answer is not yes.",
    "I cannot say yes.",
    "neither yes nor no",
    "It depends.",
    "The study does not say.",
    "There is no data.",
    "I don't know",
    "Unclear",
    "True",
    "y",
    "",
    "???",
    "Knowing this is eyesight.",
    "As a language model I have an opinion on nothing.",
]


@pytest.mark.parametrize(("text", "expected"), ONE_LABEL)
def test_one_label(text, expected):
    assert parse_label(text, YES_NO) == expected


@pytest.mark.parametrize("text", NO_OR_TWO_LABELS)
def test_two_labels_or_none_are_unparseable(text):
    assert parse_label(text, YES_NO) is None


@pytest.mark.parametrize(
    "text",
    [
        "Positive and Negative",
        "Mostly positive, a bit negative",
        "Positive/Neutral",
        "Negative at first, then positive",
        "Neutral or Negative",
        "positive\nneutral",
        "Sentiment: Positive, Negative, Neutral",
        "The review is neither positive nor negative.",
        "not positive",
        "isn't negative",
        "It is hard to call this neutral; rather negative.",
    ],
)
def test_two_sentiments_are_unparseable(text):
    assert parse_label(text, SENTIMENT) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Resisting cell death.", {DEATH}),
        ("RESISTING CELL DEATH", {DEATH}),
        ("resisting_cell_death", {DEATH}),
        ("Answer: Inducing angiogenesis", {VESSELS}),
        ("The answer is Cellular energetics.", {ENERGY}),
        ("Cellular energetics; Resisting cell death", {ENERGY, DEATH}),
        ("Cellular energetics and Resisting cell death", {ENERGY, DEATH}),
        ("Resisting cell death, Inducing angiogenesis, and Cellular energetics", set(HALLMARKS)),
        ("1. Resisting cell death\n2. Inducing angiogenesis", {DEATH, VESSELS}),
        ("* Resisting cell death\n* Inducing angiogenesis", {DEATH, VESSELS}),
        ("**Resisting cell death**", {DEATH}),
        ('"Cellular energetics"', {ENERGY}),
        ("The sentence gives evidence of inducing angiogenesis.", {VESSELS}),
        ("Labels: Cellular energetics", {ENERGY}),
        ("Resisting cell death\n\nThe drug kept the cells alive.", {DEATH}),
        ("Inducing angiogenesis (VEGF)", {VESSELS}),
        ("```\nInducing angiogenesis\n```", {VESSELS}),
        ("Inducing angiogenesis</s>", {VESSELS}),
        ("None", set()),
        ("None.", set()),
        ("**None**", set()),
        ("Answer: None", set()),
        ("none of them", set()),
        ("There is none.", set()),
        ("No hallmark is named here.", set()),
        ("The sentence does not mention any hallmark.", set()),
        ("Apoptosis", None),
        ("Death", None),
        ("It is about cells.", None),
        ("", None),
        ("None, but perhaps Cellular energetics", None),
        ("Not Inducing angiogenesis", None),
        ("Resisting cell death but not Cellular energetics", None),
        ("I am not sure", None),
    ],
)
def test_several_labels(text, expected):
    assert parse_labels(text, HALLMARKS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dystrophin", "dystrophin"),
        ("Dystrophin.", "Dystrophin"),
        (" dystrophin \n", "dystrophin"),
        ("**dystrophin**", "dystrophin"),
        ("'dystrophin'", "dystrophin"),
        ("Answer: dystrophin", "dystrophin"),
        ("Answer:\ndystrophin", "dystrophin"),
        ("The answer is dystrophin.", "dystrophin"),
        ("The correct answer is: dystrophin", "dystrophin"),
        ("So the answer is dystrophin", "dystrophin"),
        ("- dystrophin", "dystrophin"),
        ("1. dystrophin\n2. utrophin", "dystrophin"),
        ("dystrophin\n\nIt lies on the X chromosome.", "dystrophin"),
        ("dystrophin</s>", "dystrophin"),
        ("<think>utrophin?</think>dystrophin", "dystrophin"),
        ("```\ndystrophin\n```", "dystrophin"),
        ("Final answer: dystrophin", "dystrophin"),
        ("Here is the answer:\n\ndystrophin", "dystrophin"),
        ("# dystrophin", "dystrophin"),
        ("> dystrophin", "dystrophin"),
        ("IL-2", "IL-2"),
        ("3.5 %", "3.5 %"),
        ("p53 (TP53)", "p53 (TP53)"),
        ("5-HT3 receptor", "5-HT3 receptor"),
        ("HLA-DQB1*06:02", "HLA-DQB1*06:02"),
        ("N-acetylcysteine, orally", "N-acetylcysteine, orally"),
        ("", None),
        ("\n\n", None),
        ('"', None),
        ("...", None),
        ("The answer is", None),
        ("<|endoftext|>", None),
    ],
)
def test_a_short_answer(text, expected):
    assert parse_span(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("KRAS", ("KRAS",)),
        ("KRAS, NRAS", ("KRAS", "NRAS")),
        ("codeine,tramadol,morphine", ("codeine", "tramadol", "morphine")),
        ("KRAS; NRAS; HRAS", ("KRAS", "NRAS", "HRAS")),
        ("KRAS and NRAS", ("KRAS", "NRAS")),
        ("KRAS, NRAS and HRAS", ("KRAS", "NRAS", "HRAS")),
        ("KRAS, NRAS, and HRAS.", ("KRAS", "NRAS", "HRAS")),
        ("- KRAS\n- NRAS", ("KRAS", "NRAS")),
        ("* KRAS\n* NRAS", ("KRAS", "NRAS")),
        ("• KRAS\n• NRAS", ("KRAS", "NRAS")),
        ("1. KRAS\n2. NRAS", ("KRAS", "NRAS")),
        ("1) KRAS\n2) NRAS", ("KRAS", "NRAS")),
        ("(1) KRAS\n(2) NRAS", ("KRAS", "NRAS")),
        ("KRAS\nNRAS", ("KRAS", "NRAS")),
        ("KRAS\n\nNRAS", ("KRAS", "NRAS")),
        ("Answer: KRAS, NRAS", ("KRAS", "NRAS")),
        ("The answers are KRAS and NRAS.", ("KRAS", "NRAS")),
        ("**KRAS**, **NRAS**", ("KRAS", "NRAS")),
        ('"KRAS", "NRAS"', ("KRAS", "NRAS")),
        ("`KRAS`, `NRAS`", ("KRAS", "NRAS")),
        ("The genes are:\nKRAS\nNRAS", ("KRAS", "NRAS")),
        ("KRAS, kras, K-RAS", ("KRAS",)),
        ("KRAS (12p12), NRAS (1p13)", ("KRAS (12p12)", "NRAS (1p13)")),
        ("KRAS, NRAS</s>", ("KRAS", "NRAS")),
        ("<think>HRAS?</think>KRAS, NRAS", ("KRAS", "NRAS")),
        ("```\nKRAS\nNRAS\n```", ("KRAS", "NRAS")),
        ("salt & sugar", ("salt", "sugar")),
        ("head and neck cancer", ("head and neck cancer",)),
        ("None", ()),
        ("There are no items.", ()),
        ("", None),
        (",,,", None),
    ],
)
def test_a_list(text, expected):
    assert parse_list(text, squad_normalise, ["head and neck cancer"]) == expected


D, G = "Disease", "Gene"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gout <Disease>", [("gout", D)]),
        ("gout <Disease>.", [("gout", D)]),
        ("gout <DISEASE>", [("gout", D)]),
        ("gout <diseases>", [("gout", D)]),
        ("gout<Disease>", [("gout", D)]),
        ("gout <Disease>, URAT1 <Gene>", [("gout", D), ("URAT1", G)]),
        ("gout <Disease> URAT1 <Gene>", [("gout", D), ("URAT1", G)]),
        ("gout <Disease>; URAT1 <Gene>", [("gout", D), ("URAT1", G)]),
        ("gout <Disease>\nURAT1 <Gene>", [("gout", D), ("URAT1", G)]),
        ("gout <Disease> and URAT1 <Gene>", [("gout", D), ("URAT1", G)]),
        ("gout <Disease>, gout <Disease>", [("gout", D), ("gout", D)]),
        ("- gout <Disease>\n- URAT1 <Gene>", [("gout", D), ("URAT1", G)]),
        ("1. gout <Disease>\n2. URAT1 <Gene>", [("gout", D), ("URAT1", G)]),
        ("Answer: gout <Disease>", [("gout", D)]),
        ("The mentions are: gout <Disease>", [("gout", D)]),
        ("Here are the entities:\ngout <Disease>", [("gout", D)]),
        ("**gout** <Disease>", [("gout", D)]),
        ("`gout <Disease>`", [("gout", D)]),
        ('"gout" <Disease>', [("gout", D)]),
        ("```\ngout <Disease>\n```", [("gout", D)]),
        ("gout (Disease)", [("gout", D)]),
        ("gout [Disease]", [("gout", D)]),
        ("gout: Disease", [("gout", D)]),
        ("gout - Disease", [("gout", D)]),
        ("Disease: gout", [("gout", D)]),
        ("Disease: gout\nGene: URAT1", [("gout", D), ("URAT1", G)]),
        ("<Disease>gout</Disease>", [("gout", D)]),
        ("gout <Syndrome>", [("gout", "Syndrome")]),
        ("None", []),
        ("none", []),
        ("No entities.", []),
        ("There is no disease in the sentence.", []),
        ("gout", None),
        ("gout, URAT1", None),
        ("The patient suffers from gout.", None),
        ("", None),
        ("<Disease>", None),
    ],
)
def test_mentions(text, expected):
    assert parse_mentions(text, [D, G]) == expected
