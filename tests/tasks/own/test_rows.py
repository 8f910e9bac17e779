"""Rows of one's own become rows of a task; labels get words, faults their line and column."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError, UserErrors
from harness.suites.reading import read_task
from tasks.own.columns import NAMES
from tasks.own.rows import OwnRows, Reading, own_rows, shape_of
from tasks.rows import row_faults
from tasks.scaffold import suite_files

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


@QUIET
@given(
    st.sampled_from(["split", "Subset", "partition "]),
    st.sampled_from(["train", "Training"]),
    st.sampled_from(["test", "EVAL"]),
    st.integers(2, 10),
)
def test_the_files_own_parts_are_kept(tmp_path, column, train, test, count):
    rows = rows_of()
    more = [{"input": f"Is {n} odd?", "target": "no"} for n in range(count)]
    parted = [{**row, column: test} for row in rows] + [{**row, column: train} for row in more]
    found = made(tmp_path, parted)
    ids = {row["input"]: row["id"] for row in found.rows}
    assert found.train == {ids[row["input"]] for row in more}
    assert any(told.startswith("parts by column") for told in found.told)
    assert all(column not in row["meta"] for row in found.rows)
    assert made(tmp_path, parted, split="none").train is None


def test_validation_rows_are_tested_only_where_there_are_no_test_rows(tmp_path):
    rows = rows_of(split=lambda n: "dev")
    more = [{"input": f"Is {n} odd?", "target": "no", "split": "train"} for n in range(3)]
    found = made(tmp_path, [*rows, *more])
    assert found.train is not None
    assert (len(found.rows), len(found.train)) == (15, 3)
    tested = [{"input": f"Is {n} big?", "target": "yes", "split": "test"} for n in range(11)]
    found = made(tmp_path, [*rows, *more, *tested])
    assert {row["input"] for row in found.rows} == {row["input"] for row in [*more, *tested]}
    assert "validation rows are left out" in "".join(found.told)


def test_a_column_named_split_that_names_no_parts_is_an_ordinary_one(tmp_path):
    rows = rows_of(split=lambda n: f"hair {n}")
    found = made(tmp_path, rows)
    assert found.train is None
    assert found.rows[0]["meta"]["split"] == "hair 0"
    with pytest.raises(UserErrors, match=r"column 'split' \(--split\): found 'hair 0', expected"):
        made(tmp_path, rows, split="split")
    with pytest.raises(UserErrors, match="2 rows to test, expected 10 or more"):
        made(tmp_path, rows_of(split=lambda n: "train" if n > 1 else "test"))


def test_the_parts_of_the_file_are_those_of_the_suite(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = rows_of(split=lambda n: "train" if n < 2 else "test")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    files, _ = suite_files("t", "", path)
    train, test = (
        [json.loads(line)["input"] for line in files[f"data/t/{part}.jsonl"].splitlines()]
        for part in ("train", "test")
    )
    assert train == [row["input"] for row in rows[:2]]
    assert test == [row["input"] for row in rows[2:]]
    assert "the file's own parts" in files["t.card.toml"]


@QUIET
@given(
    st.lists(st.text("abcd", min_size=1), min_size=2, max_size=5, unique=True),
    st.sampled_from(["number", "letter", "text", "label"]),
    st.booleans(),
)
def test_an_answer_that_is_a_place_among_the_choices_is_the_text_there(
    tmp_path, choices, how, varied
):
    rows, wanted = [], []
    for n in range(12):
        texts = [f"{text}{n}" for text in choices] if varied else [f"{text}!" for text in choices]
        at = n % len(texts)
        offered = {"text": texts, "label": [f"({k})" for k in range(len(texts))]}
        answer = {"number": at, "letter": "ABCDE"[at], "text": texts[at], "label": f"({at})"}[how]
        shown = offered if how == "label" else texts
        rows.append({"question": f"Which {n}?", "choices": shown, "answer": answer})
        wanted.append((texts[at], f"Which {n}?\nOptions: {'; '.join(texts)}"))
    found = made(tmp_path, rows, like="long")
    assert [row["target"] for row in found.rows] == [text for text, _ in wanted]
    questions = [asked if varied else asked.partition("\n")[0] for _, asked in wanted]
    assert [row["input"] for row in found.rows] == questions
    assert any("picks from 'choices'" in told for told in found.told)


def of_numbers(answer):
    """Twelve rows whose choices are the numbers 3, 2, 1, 0 in turns, each with `answer(n)`."""
    return [
        {
            "question": f"Which {n}?",
            "choices": [str((n + k) % 4) for k in range(4)],
            "answer": answer(n % 4),
        }
        for n in range(12)
    ]


def test_a_number_is_a_place_and_a_text_a_text_through_the_whole_file(tmp_path):
    numbers = made(tmp_path, of_numbers(lambda n: n), like="long")
    assert [row["target"] for row in numbers.rows] == [str(2 * n % 4) for n in range(12)]
    assert any("by the number from 0" in told for told in numbers.told)
    texts = made(tmp_path, of_numbers(str), like="long")
    assert [row["target"] for row in texts.rows] == [str(n % 4) for n in range(12)]
    for found, other in ((numbers, "the text"), (texts, "the number from 0")):
        assert f"they could be {other} as well, with other answers" in found.told


def test_parts_of_an_input_that_are_lists_of_texts_are_joined(tmp_path):
    rows = rows_of(context=lambda n: [f"First {n}.", " Then. "])
    found = made(tmp_path, rows, input="context,input", target="target")
    assert found.rows[3]["input"] == "First 3.\nThen.\nIs 3 even?"
    rows = rows_of(context=lambda n: {"contexts": [f"First {n}."]})
    with pytest.raises(UserErrors, match=r"rows\.jsonl:1: .*input is \{'contexts'"):
        made(tmp_path, rows, input="context,input", target="target")


def test_a_part_that_is_missing_for_few_rows_is_told(tmp_path):
    rows = rows_of(split=lambda n: "" if n == 5 else "train" if n % 2 else "test")
    with pytest.raises(UserErrors, match=r"column 'split' .*found ''.*--split none"):
        made(tmp_path, rows)


@pytest.mark.parametrize("name", ["2024", "null", "True", "off", "1e3", "1_000"])
def test_a_name_that_yaml_takes_for_no_text_stays_one(tmp_path, name):
    files, _ = suite_files(name, "classification")
    path = tmp_path / f"{name}.yaml"
    path.write_text(files[path.name], encoding="utf-8")
    content = read_task(path, None).config
    assert content["task"] == content["dataset_kwargs"]["dataset"] == name


def test_answers_that_are_no_places_leave_the_choices_alone(tmp_path):
    rows = rows_of(options=lambda n: ["a", "b"])
    found = made(tmp_path, rows)
    assert {row["target"] for row in found.rows} == {"yes", "no"}
    assert found.rows[0]["meta"]["options"] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("Yes", "yes", "NO", "no"), r"labels 'Yes', 'yes' differ .* --labels Yes=yes,yes=yes"),
        (("a  b", "a b", "c"), r"labels 'a  b', 'a b' differ in case or spaces alone"),
        (("yes",), "all 12 rows have the one label 'yes', so there is nothing to tell apart"),
        ((["a", "b"], ["a"]), "target is a list of 2, expected one label.*--like multilabel"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(tmp_path, values, message):
    with pytest.raises(UserErrors, match=message):
        made(tmp_path, rows_of(values=values))


def test_labels_that_differ_in_case_alone_get_one_word(tmp_path):
    found = made(tmp_path, rows_of(values=("Yes", "yes", "NO", "no")), labels="yes=yes,no=no")
    assert {row["target"] for row in found.rows} == {"yes", "no"}
