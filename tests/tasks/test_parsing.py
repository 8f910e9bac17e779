import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.overlap import squad_normalise
from tasks.parsing import (
    paragraphs,
    parse_label,
    parse_labels,
    parse_list,
    parse_span,
    parse_text,
    says_none,
)

YES_NO = ["yes", "no"]
TRUE_FALSE = ["true", "false"]
SENTIMENT = ["Positive", "Negative", "Neutral"]
HALLMARKS = ["Resisting cell death", "Inducing angiogenesis", "Cellular energetics"]
DEATH, VESSELS, ENERGY = HALLMARKS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", "yes"),
        ("No", "no"),
        (" YES.\n", "yes"),
        ("no!", "no"),
        ('"No"', "no"),
        ("“Yes”", "yes"),
        ("**Yes**", "yes"),
        ("_no_", "no"),
        ("`no`", "no"),
        ("- yes", "yes"),
        ("1. yes", "yes"),
        ("(b) no", "no"),
        ("A) yes", "yes"),
        ("```\nyes\n```", "yes"),
        ("```text\nno\n```", "no"),
        ("### yes", "yes"),
        ("no\x00", "no"),
        ("yes<|im_end|>", "yes"),
        ("<s>no</s>", "no"),
        ("<think>no, surely?</think>\nyes", "yes"),
        ("Answer: yes", "yes"),
        ("Final answer: No", "no"),
        ("The answer is no.", "no"),
        ("The correct answer is: yes", "yes"),
        ("So, the answer is yes", "yes"),
        ("Sure! Here it is:\n\nyes", "yes"),
        # a sentence around it, text after it
        ("Yes, the study shows a benefit.", "yes"),
        ("I think the answer is no because it failed.", "no"),
        ("No, it does not.", "no"),
        ("No it does not", "no"),
        ("It's a no from me", "no"),
        ("The answer is no for adults", "no"),
        # "no" that belongs to a noun is not the label
        ("Yes, there was no difference between groups.", "yes"),
        ("No difference was found.", None),
        ("There is no evidence.", None),
        # an explanation in a paragraph of its own
        ("yes\n\nThe trial was stopped, and the answer would have been no.", "yes"),
        ("Yes\nExplanation: no one died.", "yes"),
        ("yes\n\nno", None),
        ("Yes.\n\nThe answer is no.", None),
        # two labels
        ("yes or no", None),
        ("yes/no", None),
        ("yes and no", None),
        ("yes\nno", None),
        ("Yes; no.", None),
        ("Is this a yes or no question?", None),
        # denied
        ("not yes", None),
        ("The answer is not yes", None),
        ("I would not say yes", None),
        ("Neither yes nor no", None),
        # other words
        ("unknown", None),
        ("normal", None),
        ("no-one", None),
        ("yes-man", None),
        ("yesterday", None),
        ("maybe", None),
        ("None of the above", None),
        ("", None),
        ("   ", None),
        ("...", None),
    ],
)
def test_yes_no(text, expected):
    assert parse_label(text, YES_NO) == expected


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("I think it is true.", TRUE_FALSE, "true"),
        ("The statement is False", TRUE_FALSE, "false"),
        ("not true", TRUE_FALSE, None),
        ("That isn't true.", TRUE_FALSE, None),
        ("That is not really true.", TRUE_FALSE, None),
        ("It cannot be considered true", TRUE_FALSE, None),
        ("untrue", TRUE_FALSE, None),
        ("true/false", TRUE_FALSE, None),
        ("true is wrong", TRUE_FALSE, None),
        ("false is not the case", TRUE_FALSE, None),
        ("This is not a drug interaction, so false", TRUE_FALSE, "false"),
        ("yes", TRUE_FALSE, None),
        ("positive", SENTIMENT, "Positive"),
        ("Sentiment: NEGATIVE", SENTIMENT, "Negative"),
        ("The sentiment is neutral towards it.", SENTIMENT, "Neutral"),
        ("Positive, Negative", SENTIMENT, None),
        ("Negative. The patient saw no positive effect.", SENTIMENT, None),
        ("The drug was not effective. Negative", SENTIMENT, "Negative"),
        ("non-negative", SENTIMENT, None),
        ("HIV-positive", SENTIMENT, None),
        ("positively", SENTIMENT, None),
        ("maybe", ["yes", "no", "maybe"], "maybe"),
        # a label that begins another, and one that holds another
        ("Positive regulation", ["Positive", "Positive regulation"], "Positive regulation"),
        ("positive_regulation", ["Positive", "Positive regulation"], "Positive regulation"),
        ("Positive", ["Positive", "Positive regulation"], "Positive"),
        ("regulation, positive", ["Positive", "Positive regulation"], "Positive"),
        ("C++", ["C", "C++"], "C++"),
        ("none", ["none", "some"], "none"),
    ],
)
def test_other_inventories(text, labels, expected):
    assert parse_label(text, labels) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Resisting cell death", {DEATH}),
        ("resisting cell-death, inducing angiogenesis", {DEATH, VESSELS}),
        ("- Resisting cell death\n- Cellular energetics", {DEATH, ENERGY}),
        ("Resisting cell death\n\nCellular energetics", {DEATH, ENERGY}),
        ("The hallmarks are **Inducing angiogenesis** and Cellular energetics.", {VESSELS, ENERGY}),
        ("Resisting cell death, Resisting cell death", {DEATH}),
        ("Resisting cell death, immune evasion", {DEATH}),
        ("Resisting cell death. No other hallmarks.", {DEATH}),
        ("None", set()),
        ("none.", set()),
        ("None of the hallmarks is described.", set()),
        ("No hallmarks.", set()),
        ("No specific hallmark is mentioned.", set()),
        ("This does not describe any hallmark.", set()),
        ("None, Resisting cell death", None),
        ("not Resisting cell death", None),
        ("Resisting cell death, not Inducing angiogenesis", None),
        ("apoptosis", None),
        ("nonetheless", None),
        ("", None),
    ],
)
def test_several_labels(text, expected):
    assert parse_labels(text, HALLMARKS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RET", "RET"),
        ("RET.", "RET"),
        ("**RET**", "RET"),
        ('"RET"', "RET"),
        ("Answer: RET", "RET"),
        ("The answer is **hypocretin-1**.", "hypocretin-1"),
        ("Sure, here is the answer:\nRET", "RET"),
        ("RET\nIt is a receptor tyrosine kinase.", "RET"),
        ("RET\n\nExplanation: it is mutated", "RET"),
        ("HLA-B*27", "HLA-B*27"),
        ("1. RET", "RET"),
        ("1.5 mg", "1.5 mg"),
        ("factor V (Leiden)", "factor V (Leiden)"),
        ("", None),
        ("...", None),
        ("Answer:", None),
        ("\x00", None),
    ],
)
def test_parse_span(text, expected):
    assert parse_span(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BRCA1, TP53", ("BRCA1", "TP53")),
        ("BRCA1, TP53 and RET", ("BRCA1", "TP53", "RET")),
        ("BRCA1, TP53, and RET.", ("BRCA1", "TP53", "RET")),
        ("BRCA1 and RET", ("BRCA1", "RET")),
        ("BRCA1 & RET", ("BRCA1", "RET")),
        ("BRCA1; RET", ("BRCA1", "RET")),
        ("aspirin,ibuprofen", ("aspirin", "ibuprofen")),
        ("- BRCA1\n- TP53", ("BRCA1", "TP53")),
        ("1. BRCA1\n2) TP53", ("BRCA1", "TP53")),
        ("* BRCA1\n* TP53", ("BRCA1", "TP53")),
        ("Here are the genes:\n\n1. BRCA1\n2. TP53", ("BRCA1", "TP53")),
        ("The answers are BRCA1, brca1, BRCA-1", ("BRCA1",)),
        ("1,25-OH, N,N-dimethyl", ("1,25-OH", "N,N-dimethyl")),
        ("infants and children, adults", ("infants and children", "adults")),
        ("adults, 1, 2-dichloroethane", ("adults", "1, 2-dichloroethane")),
        ("signs and symptoms and causes", ("signs and symptoms and causes",)),
        ("None", ()),
        ("There is no such answer", ()),
        ("", None),
        (" , ;\n", None),
    ],
)
def test_parse_list(text, expected):
    known = ["infants and children", "1, 2-dichloroethane"]
    assert parse_list(text, squad_normalise, known) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer: The drug works. It is safe.", "The drug works. It is safe."),
        ("(1) It works,\n(2) it is safe.", "(1) It works,\n(2) it is safe."),
        ("It works.</s>", "It works."),
        ("", None),
        ("...", None),
    ],
)
def test_parse_text(text, expected):
    assert parse_text(text) == expected


def test_paragraphs_take_off_what_wraps_an_answer():
    text = "```json\n**A**  b\n```\n\n> - c\nNote: d\ne_f HLA-B*27 *g*"
    assert paragraphs(text) == [["A b"], ["- c"], ["Note: d", "e_f HLA-B*27 g"]]
    assert paragraphs(" \n\n") == []


def test_says_none_reads_the_first_paragraph_only():
    assert says_none("No genes here.", ["gene"])
    assert not says_none("TP53.\n\nNo genes otherwise.", ["gene"])
    assert not says_none("", ["gene"])


NAME = st.text(alphabet="abcdXYZ019-", min_size=1, max_size=8).filter(
    lambda name: re.fullmatch(r"[a-zA-Z].*\w", name) is not None
)


@given(st.lists(NAME, min_size=1, max_size=6, unique_by=squad_normalise))
def test_a_rendered_list_is_read_back(names):
    assume(all(squad_normalise(name) for name in names))
    assert parse_list(", ".join(names), squad_normalise) == tuple(names)
    assert parse_list("\n".join(f"- {name}" for name in names), squad_normalise) == tuple(names)
    numbered = "\n".join(f"{place}. {name}" for place, name in enumerate(names, 1))
    assert parse_list(numbered, squad_normalise) == tuple(names)


@given(st.sets(st.sampled_from(HALLMARKS)), st.sampled_from([", ", "; ", "\n", "\n- ", " and "]))
def test_rendered_labels_are_read_back(labels, separator):
    assert parse_labels(separator.join(sorted(labels)) or "None", HALLMARKS) == labels


WRAPPERS = ["{}", "{}.", "**{}**", '"{}"', "Answer: {}", "The answer is {}.", "- {}", "{}\n\nBye."]


@given(
    st.sampled_from([YES_NO, TRUE_FALSE, SENTIMENT, HALLMARKS]),
    st.sampled_from(WRAPPERS),
    st.sampled_from([str, str.upper, str.lower]),
    st.data(),
)
def test_every_wrapped_label_is_read_and_two_never_are(labels, wrapper, case, data):
    one, other = data.draw(st.permutations(labels))[:2]
    assert parse_label(wrapper.format(case(one)), labels) == one
    for joint in (" or ", "/", ", ", " and ", "\n", " "):
        assert parse_label(wrapper.format(case(one + joint + other)), labels) is None


@given(st.text(alphabet="yesno tru\n*_`.,:-\x00<|>/'\"()1", max_size=40))
def test_any_text_gives_a_label_of_the_inventory_or_none(text):
    assert parse_label(text, YES_NO) in {"yes", "no", None}
    assert parse_labels(text, YES_NO) in ({"yes"}, {"no"}, {"yes", "no"}, set(), None)


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "_", "*", "`", "-", "no ", "the ", "yes ", "a, ", "<|", "(", "answer "]
)
def test_a_megabyte_is_read(unit):
    text = unit * (1_000_000 // len(unit))
    parse_labels(text, YES_NO)  # parse_label reads the same way
    parse_list(text, squad_normalise, ["infants and children"])
    parse_span(text)
    parse_text(text)
