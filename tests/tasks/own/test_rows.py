"""Rows of one's own become rows of a task; labels get words, faults their line and column."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError, UserErrors
from tasks.own.columns import NAMES
from tasks.own.rows import OwnRows, Reading, own_rows, shape_of
from tasks.rows import row_faults

QUIET = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def made(tmp_path, rows, like="classification", labels="", **columns) -> OwnRows:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return own_rows(path, "t", like, Reading(columns, labels))


def rows_of(question="input", answer="target", values=("yes", "no"), **more):
    return [
        {question: f"Is {n} even?", answer: values[n % len(values)]}
        | {key: value(n) for key, value in more.items()}
        for n in range(12)
    ]


@QUIET
@given(
    st.sampled_from(NAMES["input"]),
    st.sampled_from(NAMES["target"]),
    st.sampled_from([str.lower, str.title, str.upper, lambda name: f" {name}_"]),
)
def test_columns_are_found_by_their_names_and_told(tmp_path, question, answer, spelt):
    question, answer = spelt(question), spelt(answer)
    own = made(tmp_path, rows_of(question, answer))
    assert own.rows[3]["input"] == "Is 3 even?"
    assert {row["target"] for row in own.rows} == {"yes", "no"}
    told = any(f"input from '{question}'" in line for line in own.told)
    assert told is (question != "input")


def test_the_user_names_columns_and_joins_them(tmp_path):
    rows = rows_of("Frage", "Antwort", Kontext=lambda n: f"Passage {n}.", Nr=lambda n: n + 7,
                   Akte=lambda n: n // 2)  # fmt: skip
    own = made(tmp_path, rows, input="Kontext,frage", target="Antwort", id="Nr", document="Akte")
    assert own.rows[4] == {
        "id": "11", "input": "Passage 4.\nIs 4 even?", "target": "yes", "labels": ["no", "yes"],
        "meta": {"document": "2"},
    }  # fmt: skip
    with pytest.raises(UserErrors) as fault:
        made(tmp_path, rows, input="Question", target="Antwort")
    assert "no column 'Question' (--input); found 'Frage', 'Antwort'" in str(fault.value)


@pytest.mark.parametrize(
    ("values", "labels", "named"),
    [
        ((0, 1), ("0", "1"), "0=no,1=yes"),
        ((0.0, 1.0), ("0", "1"), "0=no, 1 = yes"),
        ((False, True), ("false", "true"), "false=no,True=yes"),
        (("False", "True"), ("False", "True"), "false=no,true=yes"),
        (("N", "Y"), ("N", "Y"), "N=no,Y=yes"),
    ],
)
def test_labels_that_are_numbers_or_truth_values(tmp_path, values, labels, named):
    plain = made(tmp_path, rows_of(values=values))
    assert plain.rows[0]["labels"] == list(labels)
    assert any("better in words" in line for line in plain.told) is (values[0] != "N")
    own = made(tmp_path, rows_of(values=values), labels=named)
    assert [row["target"] for row in own.rows] == ["no", "yes"] * 6
    assert own.rows[0]["labels"] == ["no", "yes"]
    assert not any("better in words" in line for line in own.told)


def test_a_label_without_a_word_is_told_with_its_line(tmp_path):
    with pytest.raises(UserErrors) as fault:
        made(tmp_path, rows_of(values=(0, 1, 2)), labels="0=no,1=yes")
    assert "rows.jsonl:3: target '2' has no word in --labels. Add 2=WORD." in str(fault.value)
    for text in ("0", "0=no,0=yes", "=no", "0="):
        with pytest.raises(UserError, match="is not VALUE=WORD"):
            made(tmp_path, rows_of(), labels=text)


def test_a_duplicate_id_is_called_that(tmp_path):
    rows = rows_of(id=lambda n: "same")
    with pytest.raises(UserErrors) as fault:
        made(tmp_path, rows)
    (told,) = fault.value.messages
    assert "rows.jsonl:2: id 'same' is also the id of line 1 and of 10 more; ids are unique" in told
    assert "--id none" in told
    assert len({row["id"] for row in made(tmp_path, rows, id="none").rows}) == 12
    own = made(tmp_path, rows, id="none", document="id")
    assert {row["meta"]["document"] for row in own.rows} == {"same"}


def test_faults_are_told_together_with_line_and_column(tmp_path):
    rows = rows_of("Question", "Answer")
    rows[1]["Answer"], rows[4]["Question"], rows[6]["Answer"] = "", None, float("nan")
    with pytest.raises(UserErrors) as fault:
        made(tmp_path, rows, like="qa")
    told = "\n".join(fault.value.messages)
    assert "rows.jsonl:2: column 'Answer': target is ''" in told
    assert "rows.jsonl:5: column 'Question': input is None" in told
    assert "rows.jsonl:7: column 'Answer': target is nan" in told


@pytest.mark.parametrize(
    ("targets", "like"),
    [
        (["yes", "no"] * 20, "classification"),
        ([f"word{n}" for n in range(40)], "qa"),
        ([f"sentence {n} " + "of many words " * 5 for n in range(40)], "long"),
        ([["a", "b"], ["c"]] * 20, "list"),
        ([f"Ida{n} <P>; Rom <Q>" for n in range(40)], "ner"),
        (["1", "0"] * 5, "classification"),
    ],
)
def test_the_shape_of_answers_is_seen(targets, like):
    assert shape_of(targets) == like


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)  # fmt: skip


@settings(QUIET, max_examples=150)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["input", "target", "id", "meta", "labels", "pmid", "x"]),
                        JSON_VALUES, max_size=7),
        min_size=1, max_size=4,
    ),
    st.sampled_from(["", "qa", "list", "ner", "classification", "multilabel", "long"]),
)  # fmt: skip
def test_whatever_rows_hold_they_are_sound_rows_or_faults(tmp_path, odd, like):
    try:
        own = made(tmp_path, [*odd, *rows_of()], like)
    except UserError:
        return
    assert all(not row_faults(row) for row in own.rows)
    assert len({row["id"] for row in own.rows}) == len(own.rows)
    json.loads(json.dumps(own.rows, allow_nan=False))
