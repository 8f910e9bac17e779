"""Scoring tried before anything is asked: silent for what lm-eval scores, clear for the rest."""

import json

import pytest
import yaml

from harness.forecast.trying import faults
from harness.suites.index import SuiteIndex
from harness.suites.named.rows import choice_faults
from tests.parity.features import suites
from tests.parity.programs import write

FINE = [suite for suite in suites(drawn=0) if not suite.refused]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return SuiteIndex({"parity": write(tmp_path_factory.mktemp("parity") / "suites", FINE)})


def test_nothing_is_found_where_lm_eval_scores(index):
    loaded = index.load([suite.name for suite in FINE], shots=0, draw=0, data=None)
    found = {name: told for name, task in loaded.items() if (told := faults(task))}
    assert not found


OWN = """
def crashes(doc, results): return {"x": results[0].missing}
def empty(doc, results): return {"x": 1 / len(results[0])}
def nothing(doc, results): return None
def fine(doc, results): return {"x": 1}
def table(items): return {"n": len(items)}
def dies(items): raise KeyError("n")
def filtered(resps, docs): return [r[0].split()[1] for r in resps]
"""
WRITE = {"output_type": "generate_until", "doc_to_text": "{{q}}", "doc_to_target": "{{a}}",
         "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4}}  # fmt: skip
CHOICE = {"output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": "choices",
          "doc_to_target": "label"}  # fmt: skip


def loaded(folder, keys, rows):
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(OWN)
    path = folder / "rows.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = {"task": "t", "dataset_path": "json", "test_split": "test",
             "dataset_kwargs": {"data_files": {"test": str(path)}}, **keys}  # fmt: skip
    text = yaml.safe_dump(whole).replace("'!function ", "!function ").replace("own.", "own.")
    text = "\n".join(line.rstrip("'") if "!function" in line else line for line in text.split("\n"))
    (folder / "t.yaml").write_text(text)
    return SuiteIndex({"s": folder}).load(["t"], shots=0, draw=0, data=None)["t"]


METRIC = [{"metric": "x", "aggregation": "mean", "higher_is_better": True}]
ROWS = [{"q": f"q{n}", "a": "yes"} for n in range(3)]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"process_results": "!function own.crashes"}, ("on gold answers", "item 0", "missing")),
        ({"process_results": "!function own.empty"}, ("on empty answers", "ZeroDivisionError")),
        ({"process_results": "!function own.nothing"}, ("gives NoneType",)),
        ({"process_results": "!function own.fine",
          "metric_list": [{"metric": "x", "aggregation": "!function own.dies",
                           "higher_is_better": True}]}, ("aggregation of 'x'", "KeyError")),
        ({"process_results": "!function own.fine",
          "metric_list": [{"metric": "x", "aggregation": "!function own.table",
                           "higher_is_better": True}]}, ("aggregation of 'x'", "a number")),
        ({"process_results": "!function own.fine",
          "filter_list": [{"name": "f", "filter": [
              {"function": "custom", "filter_fn": "!function own.filtered"}]}]},
         ("on gold answers", "IndexError")),
        ({"generation_kwargs": {"until": ["."], "num_beams": 3},
          "metric_list": [{"metric": "exact_match"}]}, ("num_beams",)),
    ],
)  # fmt: skip
def test_what_would_fail_after_the_answers_is_told(tmp_path, keys, words):
    task = loaded(tmp_path / "s", {**WRITE, "metric_list": METRIC, **keys}, ROWS)
    told = "\n".join(faults(task))
    assert all(word in told for word in words), told


def rows(*shapes):
    """Rows of (label, number of choices)."""
    return [
        {"q": f"q{n}", "label": label, "choices": [f"c{i}" for i in range(count)]}
        for n, (label, count) in enumerate(shapes)
    ]


def test_labels_and_choices_are_told_with_file_and_line(tmp_path):
    task = loaded(tmp_path / "s", CHOICE, rows((0, 3), (1, 3), (4, 3), (0, 2)))
    path = tmp_path / "s" / "rows.json"
    label, count = choice_faults(task)
    assert label.startswith(f"{path}:3: found the label 4, the row has 3 choices")
    assert count.startswith(f"{path}:4: found 2 choices, most rows have 3")


def test_sound_rows_have_no_faults(tmp_path):
    assert choice_faults(loaded(tmp_path / "s", CHOICE, rows((0, 3), (2, 3), (-1, 3)))) == []


def test_of_many_faulty_rows_the_first_are_told(tmp_path):
    found = choice_faults(loaded(tmp_path / "s", CHOICE, rows(*[(9, 2)] * 8)))
    assert len(found) == 6
    assert "3 rows more" in found[-1]


@pytest.mark.parametrize("first", [("", 0), ("no", 5)])
def test_any_first_row_can_be_built_and_scored(tmp_path, first):
    """lm-eval looks at the first row of a task, and ends in an error at these."""
    choice, label = first
    odd = {"q": "q0", "label": label, "choices": [choice, "yes"]}
    task = loaded(tmp_path / "s", CHOICE, [odd, *rows((1, 2), (0, 2))])
    assert list(task.doc_to_choice(task.eval_docs[0])) == [choice, "yes"]
    assert not faults(task)
