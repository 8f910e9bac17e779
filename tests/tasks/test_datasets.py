"""Rows -> data sets: where they are found, their order, and what is said of faults."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from harness.errors import UserError, UserErrors
from harness.files import write_jsonl
from tasks.datasets import find, in_draw_order, load, mix, with_types
from tasks.rows import read_rows, row_faults, to_row


def row(name: str, target: Any = "yes", **more: Any) -> dict[str, Any]:
    return {"id": name, "input": f"Is {name} so?", "target": target, **more}


def closed(name: str, target: str) -> dict[str, Any]:
    return row(name, target, labels=["yes", "no"])


def mention(name: str, *kinds: str) -> dict[str, Any]:
    target = [f"thing {i} <{kind}>" for i, kind in enumerate(kinds)] or ["None"]
    return row(name, target, labels=["A", "B"], meta={"entities": list(kinds)})


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "mirror"


def write(folder: Path, **splits: list[dict[str, Any]]) -> None:
    for split, rows in splits.items():
        write_jsonl(folder / f"{split}.jsonl", rows)


def test_columns_and_types(mirror: Path) -> None:
    write(
        mirror / "d",
        train=[closed("a", "yes")],
        test=[row("b", ["one", "two"], meta={"pmid": 7, "x": "µ"})],
    )
    data = load("d", data_dir=str(mirror))
    assert data["test"][0] == {
        "id": "b",
        "input": "Is b so?",
        "target": ["one", "two"],
        "gold": "one, two",
        "labels": [],
        "document": "pmid:7",
        "meta": '{"pmid": 7, "x": "µ"}',
    }
    assert data["train"][0]["target"] == ["yes"]
    assert data["train"][0]["document"] == "a"


def test_any_answer_shows_the_first_one(mirror: Path) -> None:
    write(mirror / "d", train=[row("a")], test=[row("b", ["one", "uno"])])
    assert load("d", data_dir=str(mirror), answers="any")["test"][0]["gold"] == "one"
    with pytest.raises(UserError, match="expected 'all' or 'any'"):
        load("d", data_dir=str(mirror), answers="some")


def test_rows_of_one_source_document_share_a_document() -> None:
    assert to_row(row("a", meta={"pair_id": "DDI-X.d19.s0.p3"})).document == "DDI-X.d19"
    assert to_row(row("a", meta={"document": "d1", "pmid": 3})).document == "d1"


def test_places_are_searched_in_order(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "cache" / "data" / "d"
    write(cached, train=[row("a")], test=[row("b")])
    assert find("d") == cached
    other = tmp_path / "other"
    write(other / "d", test=[row("b")])
    monkeypatch.setenv("BENCH_DATA", str(other))
    assert find("d") == other / "d"
    write(mirror / "d", test=[row("b")])
    assert find("d", str(mirror)) == mirror / "d"
    beside = tmp_path / "suite" / "data" / "d"
    write(beside, test=[row("b")])
    assert find("d", str(mirror), str(tmp_path / "suite" / "d.yaml")) == beside


def test_own_rows_are_found_from_anywhere(mirror: Path) -> None:
    assert find("mini_yesno").parts[-4:] == ("tasks", "biomed_mini", "data", "mini_yesno")


def test_a_missing_folder_says_where_it_was_looked_for(mirror: Path) -> None:
    with pytest.raises(UserError) as error:
        load("nowhere", data_dir=str(mirror))
    message = str(error.value)
    assert str(mirror / "nowhere") in message
    assert str(mirror.parent / "cache" / "data" / "nowhere") in message
    for step in ("--data DIR", "BENCH_DATA", "bench data fetch nowhere"):
        assert step in message


def test_a_missing_or_empty_split_is_named(mirror: Path) -> None:
    write(mirror / "d", test=[row("b")])
    with pytest.raises(UserError, match=r"train\.jsonl is missing"):
        load("d", data_dir=str(mirror))
    write(mirror / "d", train=[])
    with pytest.raises(UserError, match=r"train\.jsonl holds no rows"):
        load("d", data_dir=str(mirror))


def test_all_faults_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    lines = [
        json.dumps(closed("a", "maybe")),
        "",
        json.dumps({**row("b"), "lables": []}),
        json.dumps(row("c")),
        json.dumps(row("c")),
        json.dumps(row("", [])),
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserErrors) as error:
        read_rows(path)
    assert [message.split(": ")[0] for message in error.value.messages] == [
        f"{path}:{number}" for number in (1, 3, 5, 6, 6)
    ]
    told = str(error.value)
    for fault in (
        "target 'maybe' is not among the labels ['yes', 'no']",
        "unknown keys ['lables']",
        "id 'c' is also the id of line 4",
        "id is ''",
        "target is []",
    ):
        assert fault in told


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps(row("a")) + "\n{", encoding="utf-8")
    with pytest.raises(UserErrors, match=r"test\.jsonl:2: not JSON"):
        read_rows(path)


def test_a_broken_file_is_told_by_its_first_faults(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    write_jsonl(path, [closed(str(i), "maybe") for i in range(50)])
    with pytest.raises(UserErrors) as error:
        read_rows(path)
    assert len(error.value.messages) == 21
    assert error.value.messages[-1].endswith("30 more faults.")


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (row("a", 3), "target is 3"),
        (row("a", ["x", ""]), "expected a text or a list of texts"),
        (row("a", labels="yes"), "labels is 'yes'"),
        (row("a", labels=["yes", "yes"]), "a label twice"),
        (row("a", meta=[]), r"meta is \[\]"),
        (row("a", "None", labels=["yes"]), "'None' is not among"),
        (row("a", ["x"], labels=["A"], meta={"entities": []}), "not of the form 'mention <Type>'"),
        (row("a", ["x <C>"], labels=["A"], meta={"entities": []}), "target 'C' is not among"),
    ],
)
def test_row_faults(raw: dict[str, Any], fault: str) -> None:
    (found,) = row_faults(raw)
    assert re.search(fault, found)


def test_nothing_to_find_is_a_right_answer() -> None:
    assert row_faults(mention("a")) == []
    assert row_faults({**mention("a"), "target": "None"}) == []
    assert row_faults(row("a", ["None"], labels=["A"])) == []


def test_demonstrations_take_the_labels_in_turn_and_change_with_the_draw() -> None:
    rows = [to_row(closed(f"{label}{i}", label)) for i in range(20) for label in ("yes", "no")]
    rows += [to_row(closed(f"more{i}", "yes")) for i in range(20)]
    draws = [[r.id for r in in_draw_order(rows, f"d:{draw}")] for draw in range(8)]
    assert draws[0] == [r.id for r in in_draw_order(rows[::-1], "d:0")]
    assert len({tuple(draw[:4]) for draw in draws}) == 8
    answers = {r.id: r.target[0] for r in rows}
    for draw in draws:
        assert sorted(draw) == sorted(answers)
        for k in (2, 4, 10):
            assert Counter(answers[name] for name in draw[:k]) == {"yes": k // 2, "no": k // 2}
    assert {answers[draw[0]] for draw in draws} == {"yes", "no"}


def test_demonstrations_alternate_sentences_with_and_without_mentions() -> None:
    rows = [to_row(mention(f"w{i}", "A", "B")) for i in range(6)]
    rows += [to_row(mention(f"n{i}")) for i in range(2)]
    for draw in range(4):
        ordered = in_draw_order(rows, f"d:{draw}")
        assert [r.id[0] for r in ordered] == list("wnwnwwww")


def test_every_prefix_has_the_natural_share_of_empty_sentences(mirror: Path) -> None:
    write(
        mirror / "d",
        train=[mention("t", "A")],
        test=[mention(f"w{i}", "A") for i in range(60)],
        test_noentity=[mention(f"n{i}") for i in range(10)],
    )
    # 3 to 1: ten empty sentences allow thirty others.
    data = load("d", data_dir=str(mirror), without_entities=[300, 100])["test"]
    kinds = [name[0] for name in data["id"]]
    assert Counter(kinds) == {"w": 30, "n": 10}
    for n in range(4, 41, 4):
        assert abs(kinds[:n].count("n") - n / 4) <= 1
    # The whole set, when all of it is there.
    whole = load("d", data_dir=str(mirror), without_entities=[60, 10])["test"]
    assert len(whole) == 70
    assert set(whole["id"]) == set(
        load("d", data_dir=str(mirror), without_entities="all")["test"]["id"]
    )


def test_a_set_without_its_empty_sentences_is_refused(mirror: Path) -> None:
    write(mirror / "d", train=[mention("t", "A")], test=[mention("w", "A")])
    with pytest.raises(UserError, match=r"test_noentity\.jsonl is missing"):
        load("d", data_dir=str(mirror), without_entities=[3, 1])


def test_mentions_without_types_are_refused() -> None:
    whole = [{"id": "a", "labels": ["PER"]}, {"id": "b", "labels": ["PER"]}]
    assert with_types(whole) is whole
    with pytest.raises(UserError, match=r"row 'b' has no 'labels'"):
        with_types([whole[0], {"id": "b", "labels": []}])


def test_a_mention_task_of_a_mirror_without_types_ends_with_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"input": "Ada Lovelace wrote.", "target": ["Ada Lovelace <PER>"]}
    for name in ("train", "test", "test_noentity"):
        write_jsonl(tmp_path / "fin_entities" / f"{name}.jsonl", [{"id": name, **row}])
    command = ["validate", "--tasks", "fin_entities", "--data", str(tmp_path)]
    assert cli.main(command) == 2
    assert "has no 'labels', expected the types" in capsys.readouterr().err


def test_mix_without_any_empty_sentence() -> None:
    rows = [to_row(mention("w", "A"))]
    assert mix(rows, [], (1, 0)) == rows


def test_a_rebalanced_mirror_is_cut_to_its_natural_rows(mirror: Path) -> None:
    rows = [{**closed(f"r{i}", "no"), "meta": {"natural_subset": i < 3}} for i in range(9)]
    write(mirror / "d", train=[closed("t", "no")], test=rows)
    data = load("d", data_dir=str(mirror), natural_subset=True)["test"]
    assert sorted(data["id"]) == ["r0", "r1", "r2"]
    assert len(load("d", data_dir=str(mirror))["test"]) == 9
    # A whole set carries no mark and is natural as it is.
    write(mirror / "d", test=[closed(f"r{i}", "no") for i in range(9)])
    assert len(load("d", data_dir=str(mirror), natural_subset=True)["test"]) == 9


def test_the_order_of_test_items_does_not_depend_on_the_file(mirror: Path) -> None:
    rows = [closed(f"r{i}", "no") for i in range(9)]
    write(mirror / "d", train=rows[:1], test=rows)
    first = load("d", data_dir=str(mirror))["test"]["id"]
    write(mirror / "d", test=rows[::-1])
    assert list(load("d", data_dir=str(mirror), draw=3)["test"]["id"]) == list(first)
    assert list(first) != sorted(first)


def test_one_question_for_each_label(mirror: Path) -> None:
    several = row("s", ["B"], labels=["A", "B"], meta={"pmid": 1})
    write(mirror / "d", train=[several], test=[several, row("n", ["None"], labels=["A", "B"])])
    data = load("d", data_dir=str(mirror), per_label="Hallmark")["test"]
    by_id = {doc["id"]: doc for doc in data}
    assert {name: doc["gold"] for name, doc in by_id.items()} == {
        "s:A": "no",
        "s:B": "yes",
        "n:A": "no",
        "n:B": "no",
    }
    assert by_id["s:B"]["input"] == "Is s so?\nHallmark: B"
    assert by_id["s:B"]["document"] == "pmid:1"
    assert by_id["s:B"]["labels"] == ["yes", "no"]
