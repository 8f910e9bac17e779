"""Which texts share words: spellings of one name do, names of two things do not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specializers.retrieval.words import Words, plain

words = Words()
# Letters that Unicode writes in several ways, marks, joints, symbols.
MIXED = st.text(
    st.sampled_from("abIX àéÖñçøåßﬁ²₂⁺αβγµΩ -‑–/+'’.,:*0159\u200b\u00ad世界한국"), max_size=40
)


@pytest.mark.parametrize(
    "spellings",
    [
        ("IL-6", "IL6", "il 6", "IL\u20116", "IL–6", "ＩＬ－６"),
        ("TNF-α", "TNFα", "TNF-alpha", "TNF alpha and TNFalpha", "tnf–α"),
        ("5-HT", "5HT"),
        ("HLA-B27", "HLAB27"),
        ("CD4+", "CD4⁺", "CD4+CD25+"),
        ("p53", "P53", "P-53"),
        ("NF-κB", "NF-kappaB", "NFκB"),
        ("β2-adrenergic", "beta2-adrenergic", "β2adrenergic"),
        ("vitamin D", "Vitamin-D"),
        ("Sjögren's", "Sjogren", "Sjo\u0308gren’s"),
        ("10 µg", "10 μg"),
    ],
)
def test_spellings_of_one_name_share_its_whole(spellings: tuple[str, ...]) -> None:
    shared = set.intersection(*(set(words(text)) for text in spellings))
    parts = {part for part in shared if len(part) > 2 or not part.isalnum()}
    assert parts, shared


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IL-2", "IL-6"),
        ("vitamin D", "vitamin K"),
        ("vitamin A", "vitamin E"),
        ("hepatitis B", "hepatitis C"),
        ("TNF-α", "TNF-β"),
        ("CD4+", "CD8+"),
        ("factor V", "factor X"),
        ("p53", "p63"),
    ],
)
def test_names_that_differ_in_one_sign_have_words_of_their_own(one: str, other: str) -> None:
    assert set(words(one)) - set(words(other))
    assert set(words(other)) - set(words(one))


@given(MIXED)
def test_composed_and_decomposed_text_have_the_same_words(text: str) -> None:
    of_text = words(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert words(unicodedata.normalize(form, text)) == of_text


@given(MIXED)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert words(plain(text)) == words(text)
    assert all(word and not word.isspace() for word in words(text))


@given(st.text(max_size=60))
def test_any_text_has_words_and_memory_changes_none(text: str) -> None:
    assert Words()(text) == words(text) == words(text)


def test_words_of_any_length_are_read() -> None:
    assert words("acgt" * 100_000) == ["acgt" * 100_000]
    assert words("x1" * 100) == ["x1" * 100]
