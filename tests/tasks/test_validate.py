"""Validation finds what is wrong with a task, and nothing in a right one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.files import write_json, write_jsonl
from tasks.cards import Card, Origin
from tasks.show import render
from tasks.validate import TaskFinding, validate

TEMPLATES = Path(__file__).parents[2] / "tasks" / "templates"
LABELS = ["yes", "no"]


def card(**changes: Any) -> Card:
    right = Card(
        name="t",
        title="T",
        dataset="d",
        task="Say yes or no.",
        kind="yesno",
        version="1.0",
        origin=Origin("repository"),
        licence="MIT",
        redistribute=True,
        split="test",
        n_test=4,
        n_train=2,
        protocol="Greedy.",
        main_metric="acc",
        citation="",
    )
    return dataclasses.replace(right, **changes)


def rows(answers: str, prefix: str) -> list[dict[str, Any]]:
    return [
        {"id": f"{prefix}{i}", "input": f"Is {prefix} {i} so?", "target": a, "labels": LABELS}
        for i, a in enumerate(answers.split())
    ]


@dataclasses.dataclass
class Suite:
    """A suite of one task whose rows and YAML a test can spoil."""

    folder: Path
    test: list[dict[str, Any]] = dataclasses.field(
        default_factory=lambda: rows("yes no no yes", "test")
    )
    train: list[dict[str, Any]] = dataclasses.field(default_factory=lambda: rows("yes no", "train"))
    template: str = "label"
    description: str = "Answer yes or no."
    more: str = ""

    def task(self) -> Any:
        from lm_eval.tasks import TaskManager

        data = self.folder / "mirror" / "d"
        write_jsonl(data / "test.jsonl", self.test)
        write_jsonl(data / "train.jsonl", self.train)
        yaml = f"""include: {TEMPLATES / self.template}.yaml
task: t
description: "{self.description} "
dataset_kwargs: {{dataset: d}}
metadata: {{version: 1.0}}
{self.more}"""
        (self.folder / "t.yaml").write_text(yaml, encoding="utf-8")
        manager = TaskManager(
            include_path=[str(self.folder)],
            include_defaults=False,
            metadata={"data_dir": str(self.folder / "mirror")},
        )
        return manager.load("t")["tasks"]["t"]

    def findings(self, the_card: Card | None = None) -> list[TaskFinding]:
        return validate({"t": self.task()}, {"t": the_card or card()})


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def told(findings: list[TaskFinding], level: str) -> str:
    return "\n".join(finding.message for finding in findings if finding.level == level)


def test_nothing_is_found_in_a_right_task(suite: Suite) -> None:
    assert suite.findings() == []


def test_a_task_needs_a_card(suite: Suite) -> None:
    findings = validate({"t": suite.task()}, {})
    assert findings == [TaskFinding("error", "t", "has no card; add t.card.toml.")]


def test_a_stand_in_is_said(suite: Suite) -> None:
    (finding,) = suite.findings(card(stand_in="The Real Set"))
    assert finding.level == "note"
    assert "stands in for The Real Set" in finding.message


def test_version_and_metric_must_be_those_of_the_card(suite: Suite) -> None:
    errors = told(suite.findings(card(version="2.0", main_metric="f2")), "error")
    assert "metadata.version is '1.0', the card says '2.0'" in errors
    known = ["acc", "box_f1", "macro_f1", "macro_f1_lenient", "unparseable"]
    assert f"main_metric 'f2' is not among {known}" in errors


def test_every_value_the_scoring_gives_must_be_named(suite: Suite) -> None:
    suite.more = """metric_list:
  - metric: acc
    aggregation: !function tasks.metrics.mean_score
    higher_is_better: true
"""
    (finding,) = suite.findings()
    assert finding.level == "error"
    given = ["box_f1", "macro_f1", "macro_f1_lenient", "unparseable"]
    assert f"gives {given}, which metric_list does not name" in finding.message


def test_a_mirror_may_be_partial_but_not_larger(suite: Suite) -> None:
    (finding,) = suite.findings(card(n_test=9))
    assert finding.level == "note"
    assert "partial: 4 of 9 items" in finding.message
    assert "4 items" in told(suite.findings(card(n_test=3)), "error")
    assert "4 items" in told(suite.findings(card(n_test=3, n_from="reported")), "warning")
    assert "n is not known yet" in told(suite.findings(card(n_test=0)), "note")


def test_a_whole_set_must_have_the_cards_n(suite: Suite) -> None:
    write_json(suite.folder / "mirror" / "d" / "manifest.json", {})
    assert suite.findings() == []
    assert "the card states 9" in told(suite.findings(card(n_test=9)), "error")


def test_a_suites_own_rows_must_have_the_cards_n(suite: Suite) -> None:
    own = Origin("own")
    assert suite.findings(card(origin=own)) == []
    errors = told(suite.findings(card(origin=own, n_test=9, n_train=3)), "error")
    assert "4 items" in errors
    assert "2 train rows" in errors


def test_gold_answers_must_score_full_marks(suite: Suite) -> None:
    # The prompt's own form of the answer is not the label: a parser would not find it.
    suite.more = 'doc_to_target: "{{id}}"\n'
    errors = told(suite.findings(), "error")
    assert "gold answers score 0.0000 on acc, expected 1; wrong: ['test" in errors


def test_empty_answers_must_score_nothing(suite: Suite) -> None:
    suite.more = (
        "metric_list:\n  - {metric: unparseable, aggregation: mean, higher_is_better: true}\n"
    )
    errors = told(suite.findings(card(main_metric="unparseable")), "error")
    assert "empty answers score 1.0000 on unparseable" in errors


def test_answers_of_other_items_must_not_score_full_marks(suite: Suite) -> None:
    suite.test = [
        {**row, "target": ["x", "y", "z", "w"][i:] + ["x", "y", "z", "w"][:i]}
        for i, row in enumerate(suite.test)
    ]
    for row in [*suite.test, *suite.train]:
        del row["labels"]
    suite.template = "factoid"
    suite.more = "dataset_kwargs: {dataset: d, answers: any}\n"
    errors = told(suite.findings(card(main_metric="exact_match")), "error")
    assert "the answers of other items score full marks" in errors


def test_ranking_is_validated_by_scores(suite: Suite) -> None:
    suite.more = f"include: [{TEMPLATES}/label.yaml, {TEMPLATES}/rank.yaml]\n"
    assert suite.findings(card(kind="rank")) == []
    suite.more += "doc_to_choice: ['no', 'yes']\n"
    assert "gold answers score 0.0000" in told(suite.findings(card(kind="rank")), "error")


def test_a_demonstration_must_not_be_a_test_item(suite: Suite) -> None:
    suite.train[0]["input"] = suite.test[2]["input"].upper() + " "
    assert "demonstrations are test items: ['train0']" in told(suite.findings(), "error")


def test_a_demonstration_must_not_be_nearly_a_test_item(suite: Suite) -> None:
    sentence = "A trial of twenty patients found that the new drug lowered their blood pressure"
    suite.test[2]["input"] = f"{sentence}."
    suite.train[0]["input"] = f"{sentence}, much."
    errors = told(suite.findings(), "error")
    assert "demonstrations are nearly test items: ['train0 ~ test2']" in errors
    suite.train[0]["input"] = "Another trial of other patients did not find that any drug helped."
    assert suite.findings() == []


def test_an_answer_outside_the_inventory_is_refused_with_its_line(suite: Suite) -> None:
    suite.test[1]["target"] = "perhaps"
    with pytest.raises(UserError, match=r"test\.jsonl:2: .*target 'perhaps' is not among"):
        suite.task()


def test_train_and_test_must_be_disjoint(suite: Suite) -> None:
    suite.train = rows(" ".join(["yes no"] * 20), "train")
    from tasks.datasets import in_draw_order
    from tasks.rows import to_row

    last = in_draw_order([to_row(row) for row in suite.train], "d:0")[-1].id
    next(row for row in suite.train if row["id"] == last)["input"] = suite.test[0]["input"]
    assert f"1 train inputs are test inputs too: ['{last}']" in told(suite.findings(), "error")


def test_a_document_in_both_splits_is_told(suite: Suite) -> None:
    suite.train[0]["meta"] = suite.test[0]["meta"] = {"pmid": 12}
    assert "1 documents have rows in train and in test: ['pmid:12']" in told(
        suite.findings(), "warning"
    )


def test_duplicates_are_reported(suite: Suite) -> None:
    suite.test[1]["input"] = suite.test[2]["input"]
    assert "1 inputs occur more than once" in told(suite.findings(), "note")
    suite.test[0]["input"] = suite.test[1]["input"]
    assert "1 inputs occur with different answers" in told(suite.findings(), "warning")


def test_labels_must_be_one_list_and_be_named(suite: Suite) -> None:
    suite.description = "Answer."
    suite.test = [{**row, "labels": ["yes", "no", "perhaps"]} for row in suite.test]
    findings = suite.findings()
    assert "rows differ in their labels" in told(findings, "error")
    assert "the prompt does not name the labels ['no', 'perhaps', 'yes']" in told(
        findings, "warning"
    )
    assert "no item of these rows has the label ['perhaps']" in told(findings, "note")


def test_show_renders_the_prompt_and_the_answer(suite: Suite) -> None:
    task = suite.task()
    text = render(task, shots=1, item=2)
    doc = task.eval_docs[2]
    shot = task.fewshot_docs()[0]
    assert text.splitlines()[0] == f"task t, item 2 (id {doc['id']}), 1 shots"
    assert f"Answer yes or no. {shot['input']}\nAnswer: {shot['gold']}\n\n" in text
    assert text.endswith(f"{doc['input']}\nAnswer:\n--- expected ---\n{doc['gold']}")


def test_show_marks_the_right_choice(suite: Suite) -> None:
    suite.more = f"include: [{TEMPLATES}/label.yaml, {TEMPLATES}/rank.yaml]\n"
    task = suite.task()
    gold = task.eval_docs[0]["gold"]
    assert [line for line in render(task, 0, 0).splitlines() if line[:2] in ("* ", "  ")] == [
        ("* " if label == gold else "  ") + label for label in LABELS
    ]


def test_show_says_what_there_is(suite: Suite) -> None:
    task = suite.task()
    with pytest.raises(UserError, match="t has items 0 to 3, not 4"):
        render(task, 0, 4)
    with pytest.raises(UserError, match="t has 2 demonstrations, not 3"):
        render(task, 3, 0)


def test_scoring_that_would_fail_after_the_run_fails_before(tmp_path):
    import json

    from harness.suites.index import SuiteIndex

    rows = "".join(json.dumps({"q": str(i), "a": "x", "gold": i}) + "\n" for i in range(3))
    (tmp_path / "rows.json").write_text(rows)
    (tmp_path / "own.py").write_text(
        "def results(doc, results): return {'f': len(results[0]), 'g': 1}\n"
        "def table(items): return {'n': len(items)}\n"
        "def broken(items): return items[0].missing\n"
    )
    (tmp_path / "t.yaml").write_text(
        f"""task: t
dataset_path: json
dataset_kwargs: {{data_files: {{test: {tmp_path}/rows.json}}}}
test_split: test
doc_to_text: q
doc_to_target: a
generation_kwargs: {{until: ["."], max_gen_toks: 4, num_beams: 4}}
process_results: !function own.results
metric_list:
  - {{metric: f, aggregation: !function own.table, higher_is_better: true}}
  - {{metric: g, aggregation: !function own.broken, higher_is_better: true}}
"""
    )
    task = SuiteIndex({"s": tmp_path}).load(["t"], shots=0, draw=0, data=None)
    told = [one.message for one in validate(task, {}) if one.level == "error"]
    assert any("num_beams" in one for one in told)
    assert any("'f'" in one and "expected a number" in one for one in told)
    assert any("'g'" in one and "AttributeError" in one for one in told)
