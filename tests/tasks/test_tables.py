"""Plain tables and reports -> rows, with files made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest

from harness.errors import UserError
from tasks.origins.convert import CONVERTERS
from tasks.rows import row_faults

LINES = {
    "s": ["Sales rose.", "Sales fell.", "  ", "Sales rose.", "It rained."],
    "y": [2, 0, 1, 0, 1],
}
TONE: dict[str, Any] = {
    "text": "s",
    "label": "y",
    "labels": {"0": "bad", "1": "plain", "2": "good"},
    "before": "Sentence: ",
}


def converted(kind: str, options: Any, **files: Path) -> dict[str, list[dict[str, Any]]]:
    splits = CONVERTERS[kind](files, "d", options)
    assert not [fault for rows in splits.values() for row in rows for fault in row_faults(row)]
    return splits


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_one_table_is_split_by_a_digest_of_its_text(tmp_path: Path, ending: str) -> None:
    path, table = tmp_path / f"t.{ending}", pandas.DataFrame(LINES)
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    splits = converted("table", {**TONE, "all": "t", "n_test": 2}, t=path)
    rows = [*splits["test"], *splits["train"]]
    assert (len(splits["test"]), len(rows)) == (2, 3)
    assert {row["input"]: row["target"] for row in rows} == {
        "Sentence: Sales rose.": "good",
        "Sentence: Sales fell.": "bad",
        "Sentence: It rained.": "plain",
    }
    assert rows[0]["labels"] == ["bad", "plain", "good"]


def test_a_test_text_of_train_is_left_out_and_faults_are_told(tmp_path: Path) -> None:
    train, test = tmp_path / "a.csv", tmp_path / "b.csv"
    train.write_text("s,y\nOne.,0\n")
    test.write_text("s,y\nOne.,0\nTwo.,2\n")
    options = {**TONE, "train": "a", "test": "b"}
    assert [row["target"] for row in converted("table", options, a=train, b=test)["test"]] == [
        "good"
    ]
    test.write_text("s,y\nTwo.,7\n")
    with pytest.raises(UserError, match=r"label '7' is none of the card's"):
        converted("table", options, a=train, b=test)
    test.write_text("s,z\nTwo.,7\n")
    with pytest.raises(UserError, match=r"columns \['y'\] are not in b\.csv; it has \['s', 'z'\]"):
        converted("table", options, a=train, b=test)


def test_judgements_become_questions_of_one_document(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("h,up,down\nGold up,1,0\nGold down,0,1\n")
    asked = {"up": "Did it rise?", "down": "Did it fall?"}
    options = {"all": "t", "n_test": 1, "n_train": 1, "text": "h", "questions": asked}
    splits = converted("table", options, t=path)
    assert [row["target"] for row in splits["test"]] in (["yes", "no"], ["no", "yes"])
    assert len({row["meta"]["document"] for row in splits["test"]}) == 1
    assert splits["train"][0]["input"].endswith("\nQuestion: Did it rise?")
    path.write_text("h,up,down\nGold up,2,0\n")
    with pytest.raises(UserError, match="'up' is '2' for 'Gold up', expected 0 or 1"):
        converted("table", options, t=path)


def test_finqa_asks_with_the_table_and_the_gold_sentences(tmp_path: Path) -> None:
    def entry(name: str, answer: str, result: Any) -> dict[str, Any]:
        facts = {"text_3": "Sales are net.", "table_1": "not repeated"}
        asked = {"question": "Growth?", "answer": answer, "exe_ans": result, "gold_inds": facts}
        return {"id": name, "table": [["", "2020"], ["sales", "50"]], "qa": asked}

    path = tmp_path / "t.json"
    path.write_text(json.dumps([entry("A/1.pdf-1", "25%", 0.25), entry("A/1.pdf-2", "", "yes")]))
    splits = converted("finqa", {"train": "t", "test": "t"}, t=path)
    (row,) = splits["test"]
    assert row["target"] == ["25%", "0.25"]
    asked = "Context: Sales are net.\nTable:\n | 2020\nsales | 50\nQuestion: Growth?"
    assert row["input"] == asked
    assert row["meta"] == {"document": "A/1.pdf"}


def test_columns_of_conll_stand_apart_by_blanks(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    lines = ["-DOCSTART- -X- O O", "", "The DT O O", "Acme NNP I-NP I-ORG", "Bank NNP I-NP I-ORG"]
    path.write_text("\n".join([*lines, "lends VBZ O O", "money NN O O", ""]))
    other = tmp_path / "u.txt"
    other.write_text("A B O\nloan B O\nis B O\nvery B O\ndear B O\n")
    splits = converted("iob", {"train": "u", "test": "t"}, t=path, u=other)
    assert splits["test"][0]["target"] == ["Acme Bank <ORG>"]
