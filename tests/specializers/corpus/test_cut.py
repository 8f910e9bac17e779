"""Sentences and passages: where they end, and that nothing is lost or doubled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specializers.corpus.cut import Document, cut, paragraphs
from specializers.corpus.sentences import sentences

# "|" marks where a sentence ends.
CASES = [
    "Cultures of E. coli grew.|They were in 0.5 ml.",
    "It rose (Fig. 2).|Nobody knew why.",
    "Smith et al. reported it, e.g. In mice.|Then Jones et al.|The rest is known.",
    "Loss of it harms.|p53 guards the cell.|mRNA falls.|So does pH.",
    "Given i.v. twice, cf. Table No. 3, vs. Control.|It helped.",
    'Is it so?|Yes!|We saw it.[12]|He said: "Never."|They left.',
    "Hepatitis B.|The virus is small.",
    "J. A. Smith of the U.S. Army came.|He stayed.",
    "The P value was .05 and 3.2 of 4. Then more.".replace("4. ", "4.|"),
    "1. Introduction is first.|2. Methods is next.",
    "One paragraph\nAnother without a stop\nA third".replace("\n", "|"),
    "这是第一句。|这是第二句。",
    "The answer was no.|The no. 7 bus came.",
]


@pytest.mark.parametrize("marked", CASES)
def test_sentences_end_where_a_reader_ends_them(marked: str) -> None:
    wanted = marked.split("|")
    breaks = "\n" if marked.startswith("One paragraph") else " "
    text = ("" if wanted[0].endswith("。") else breaks).join(wanted)
    assert [text[start:end] for start, end in sentences(text)] == wanted


# Words, stops, abbreviations and blanks in any order, and any text at all.
PIECES = st.sampled_from(
    ["The", "cell", "p53", "E.", "coli", "al.", "Fig.", "2.", "0.5", "no.", "end.", "What?", "(a)"]
)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(PIECES, max_size=80).map(" ".join),
    st.lists(PIECES, max_size=80).map("\n\n".join),
)


@given(TEXTS)
def test_between_sentences_there_are_blanks_alone(text: str) -> None:
    last = 0
    for start, end in sentences(text):
        assert start >= last
        assert not text[last:start].strip()
        assert text[start:end].strip() == text[start:end] != ""
        last = end
    assert not text[last:].strip()


@given(TEXTS, st.integers(1, 30))
def test_passages_hold_every_word_once_and_keep_the_limit(text: str, limit: int) -> None:
    document = Document("d", "A title", paragraphs(text), "source", "file:1")
    rows = cut(document, limit)
    assert [word for row in rows for word in row["text"].split()] == text.split()
    last = 0
    for row in rows:
        assert 0 < len(row["text"].split()) <= limit
        assert row["text"] == document.text[row["start"] : row["end"]]
        assert row["start"] >= last
        last = row["end"]
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_document_that_fits_keeps_its_id_and_others_are_numbered() -> None:
    text = "One two three. Four five six. Seven eight nine. Ten."
    (whole,) = cut(Document("17", "T", text, "s", "f:1"), 10)
    assert whole == {
        "id": "17",
        "title": "T",
        "text": text,
        "source": "s",
        "document": "17",
        "start": 0,
        "end": len(text),
    }
    rows = cut(Document("17", "T", text, "s", "f:1"), 6)
    assert [row["id"] for row in rows] == ["17#1", "17#2"]
    assert [row["text"] for row in rows] == [text[:29], text[30:]]
    # a sentence over the limit is cut evenly, between words
    rows = cut(Document("d", "", "a b c d e f g", "s", "f:1"), 3)
    assert [row["text"] for row in rows] == ["a b", "c d", "e f g"]
