"""What is mined from a text: answers are the text's own, labels the connective's."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specializers.domain import DOMAINS
from specializers.mining.chosen import mined_tasks
from specializers.mining.patterns import KINDS, WORDINGS, mine

TEXT = (
    "Wool grease softens the skin of the hands within a week. "
    "However, a third of the users report a rash after two days. "
    "The rash is rare in children because their skin holds more water. "
    "Salves such as wool grease, tallow and beeswax are cheap. "
    "The skin barrier index (SBI) rises with every application of the salve. "
    "A salve is a soft mixture that melts on the skin. "
    "These results suggest that wool grease suits children best."
)
OTHERS = ("Copper wires were drawn through plates of hardened steel for years.",)


def mined(text: str = TEXT) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for task in mine("a", "Wool grease for hands", text, OTHERS):
        found.setdefault(task.kind, []).append((task.input, task.output))
    return found


def test_each_kind_is_found_where_a_text_holds_it() -> None:
    found = mined()
    ((shown, label),) = found["inference"]
    assert label == "contrasts"
    assert shown.endswith("Statement 2: A third of the users report a rash after two days.")
    assert found["cause"] == [(TEXT.split(". ")[2] + ".", "their skin holds more water")]
    assert [answer for _, answer in found["abbreviation"]] == ["skin barrier index"]
    assert found["definition"] == [
        ("Term: salve", "A salve is a soft mixture that melts on the skin.")
    ]
    assert [answer for _, answer in found["conclusion"]] == [TEXT.rsplit(". ", maxsplit=1)[-1]]
    assert "continuation" not in found
    assert found["title"][0][1] == "Wool grease for hands"
    assert [label for _, label in found["stated"]] == ["true", "false"]
    # "beeswax are cheap" is no item: after a subject's examples comes its verb.
    assert "list" not in found
    listed = mined("We tested salves such as wool grease, tallow and beeswax.")["list"]
    assert [answer for _, answer in listed] == ["wool grease, tallow, beeswax"]


@pytest.mark.parametrize(
    ("sentence", "long"),
    [
        ("Patients with chronic kidney disease (CKD) were followed.", "chronic kidney disease"),
        ("It binds tumor necrosis factor alpha (TNF-A) tightly.", "tumor necrosis factor alpha"),
        ("The dose was high (CKD) in all of the groups.", None),
        ("Everybody came to the old town hall (10) for it.", None),
    ],
)
def test_an_abbreviation_has_its_letters_in_its_long_form(sentence: str, long: str | None) -> None:
    answers = [answer for _, answer in mined(sentence).get("abbreviation", [])]
    assert answers == ([long] if long else [])


words = st.sampled_from([*TEXT.split(), "(SBI).", "such", "as", "because", "Moreover,", "is", "a"])


@given(st.lists(words, max_size=60).map(" ".join))
def test_an_answer_is_a_piece_of_its_text_or_a_label(text: str) -> None:
    whole = " ".join(text.split())
    for task in mine("a", "A title", text, OTHERS):
        assert task.kind in KINDS
        if task.kind in ("cause", "abbreviation", "conclusion", "continuation", "definition"):
            assert task.output in whole
        elif task.kind == "list":
            assert all(item in whole for item in task.output.split(", "))
        elif task.kind == "title":
            assert task.output == "A title"
        else:
            assert task.output in ("follows", "contrasts", "adds", "true", "false")


def test_every_kind_has_wordings_that_differ() -> None:
    assert all(len(set(texts)) >= 3 for texts in WORDINGS.values())


@pytest.mark.parametrize("name", ["biomed", "finance"])
def test_labels_and_texts_have_their_share(name: str) -> None:
    corpus = DOMAINS / name / "corpus.jsonl"
    rows = mined_tasks(corpus, count=120, per_text=2, seed=0)
    assert len(rows) == 120
    labels = Counter(row["output"] for row in rows if row["task_type"] == "stated")
    assert abs(labels["true"] - labels["false"]) <= 1
    documents = Counter(document for row in rows for document in row["documents"])
    assert max(documents.values()) <= 2
    assert len({(row["documents"][0], row["task_type"]) for row in rows}) == 120
    assert rows == mined_tasks(corpus, count=120, per_text=2, seed=0)
    assert rows != mined_tasks(corpus, count=120, per_text=2, seed=1)


def test_a_corpus_gives_what_it_holds(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(json.dumps({"id": "a", "title": "", "text": TEXT}) + "\n")
    rows = mined_tasks(corpus, count=50, per_text=3, seed=0)
    assert len(rows) == 3
    corpus.write_text(json.dumps({"id": "a", "title": "", "text": "One word."}) + "\n")
    assert mined_tasks(corpus, count=50, per_text=3, seed=0) == []
