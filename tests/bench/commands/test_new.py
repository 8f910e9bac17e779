"""What `bench new` writes is sound at once, overwrites nothing, and takes a newcomer's rows."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import pytest

from bench import cli
from bench.commands.new import SHAPES
from bench.config import load_config
from harness.contract import specializer_faults
from leaderboards.spec import load_board
from tasks import scaffold
from tasks.datasets import read_split


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    return tmp_path


def bench(*words: str) -> int:
    return cli.main(list(words))


def test_every_shape_passes_validation_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(SHAPES) == set(scaffold.SHAPES)
    for shape in SHAPES:
        assert bench("new", "suite", f"my-{shape}", "--like", shape) == 0
        told = capsys.readouterr().out
        assert f"suites/my-{shape}/my_{shape}.yaml:4: " in told
        assert f'my_{shape}.card.toml:7: licence = "not stated"' in told
    assert bench("validate", "--tasks", ",".join(f"my-{shape}" for shape in SHAPES)) == 0
    told = capsys.readouterr().out
    assert "7 tasks validated, 0 errors." in told
    # Nobody has edited them: each is sound, and none passes for finished.
    assert told.count("warning") == told.count("its card still says what 'bench new' wrote") == 7
    for card in folder.glob("suites/*/*.card.toml"):
        text = card.read_text().replace(*('"What is asked, in a sentence."', '"Asks."'))
        text = text.replace('"not stated"', '"CC0-1.0"').replace("sample rows, to be re", "rows re")
        card.write_text(text)
    assert bench("validate", "--tasks", ",".join(f"my-{shape}" for shape in SHAPES)) == 0
    assert "warning" not in capsys.readouterr().out


def test_a_task_is_added_to_a_suite_that_is_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("new", "suite", "cats", "--like", "qa") == 0
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert bench("new", "suite", "cats", "--like", "ner") == 2
    assert "name the task: bench new suite cats --task TASK." in capsys.readouterr().err
    assert bench("new", "suite", "cats", "--task", "cat-names", "--like", "ner") == 0
    said = capsys.readouterr().out
    assert "suites/cats/cat_names.yaml:4: " in said
    assert said.splitlines()[-1] == "Then: bench validate --tasks cat_names,cats"
    assert max(map(len, said.splitlines())) <= 100
    # What was there is as it was, bench.toml too.
    assert {p: p.read_bytes() for p in before} == before
    # "cats" alone is the task of that name.
    assert bench("validate", "--tasks", "cats,cat-names") == 0
    assert "2 tasks validated, 0 errors." in capsys.readouterr().out
    for words in (["cats", "--task", "cats"], ["cats", "--task", "cat_names"]):
        assert bench("new", "suite", *words, "--like", "qa") == 2
        assert "is there already" in capsys.readouterr().err
    # A package's suite is not ours to add to.
    assert bench("new", "suite", "biomed_mini", "--task", "mine", "--like", "qa") == 2
    assert "--task TASK" not in capsys.readouterr().err


def test_a_domain_passes_validation_and_says_what_to_edit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench("new", "domain", "garden") == 0
    assert "domains/garden/domain.toml:3: description = " in capsys.readouterr().out
    assert bench("validate", "--domain", "garden") == 0
    assert "warning" not in capsys.readouterr().out


def test_a_specializer_keeps_the_contract(folder: Path) -> None:
    from bench.plugins import open_registry

    assert bench("new", "specializer", "first-seeds") == 0
    plugin = open_registry(load_config()).specializer("first-seeds")
    assert specializer_faults(plugin, "first-seeds") == []
    (folder / "a").mkdir()
    (folder / "a" / "examples.txt").write_text("Shown.\n")
    assert plugin.rewrite_input(folder / "a")("Asked.") == "Shown.\n\nAsked."  # type: ignore[attr-defined]


def test_a_board_shows_the_suite_of_its_name_or_the_one_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bench("new", "suite", "cats", "--like", "qa") == 0
    assert bench("new", "board", "cats") == 0
    assert bench("new", "board", "other", "--suite", "finance-mini") == 0
    assert load_board(Path("boards/cats.toml")).suite == "cats"
    assert load_board(Path("boards/other.toml")).suite == "finance_mini"
    assert bench("new", "board", "third", "--suite", "dogs") == 2
    assert "unknown suite 'dogs'" in capsys.readouterr().err


def test_bench_toml_keeps_what_it_says(folder: Path) -> None:
    (folder / "bench.toml").write_text('# mine\n[domains]  # own\n\n[defaults]\nout = "o"')
    assert bench("new", "domain", "garden") == 0
    assert bench("new", "suite", "cats", "--like", "qa") == 0
    text = (folder / "bench.toml").read_text()
    assert text.startswith('# mine\n[domains]  # own\n"garden" = "domains/garden"\n')
    assert tomllib.loads(text)["defaults"] == {"out": "o"}
    assert tomllib.loads(text)["suites"] == {"cats": "suites/cats"}


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["suite", "biomed_mini", "--like", "qa"], ["domain", "biomed"]):
        assert bench("new", *words) == 2
        assert "is there already. Choose another name." in capsys.readouterr().err
    assert bench("new", "suite", "mini-yesno", "--like", "qa") == 2
    assert "task 'mini_yesno' is there already" in capsys.readouterr().err
    (folder / "boards").mkdir()
    (folder / "boards" / "look.toml").write_text("mine")
    assert bench("new", "board", "look") == 2
    assert "there already; nothing was written" in capsys.readouterr().err
    assert (folder / "boards" / "look.toml").read_text() == "mine"
    assert not (folder / "bench.toml").exists()
    assert bench("new", "domain", "a/b") == 2


def rows(count: int) -> list[dict[str, str]]:
    words = ["red", "green", "blue"]
    return [
        {"input": f"Number {n} is {words[n % 3]}.", "target": words[n % 3], "source": f"s{n // 2}"}
        for n in range(count)
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_fifty_rows_become_a_suite(ending: str, folder: Path) -> None:
    source = folder / f"rows.{ending}"
    if ending == "csv":
        with source.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["input", "target", "source"])
            writer.writeheader()
            writer.writerows(rows(50))
    else:
        source.write_text("".join(json.dumps(row) + "\n" for row in rows(50)))
    words = ("suite", "hues", "--like", "classification", "--from", str(source))
    assert bench("new", *words) == 0
    data = folder / "suites" / "hues" / "data" / "hues"
    train, test = read_split(data, "train"), read_split(data, "test")
    assert (len(train), len(test)) == (10, 40)
    assert {row.labels for row in [*train, *test]} == {("blue", "green", "red")}
    assert {row.target for row in train} == {("red",), ("green",), ("blue",)}
    assert train[0].meta["source"].startswith("s")
    assert bench("validate", "--tasks", "hues") == 0


def test_rows_of_one_document_stay_together(folder: Path) -> None:
    lines = [{**row, "document": row["source"]} for row in rows(20)]
    (folder / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert bench("new", "suite", "hues", "--like", "classification", "--from", "r.jsonl") == 0
    data = folder / "suites" / "hues" / "data" / "hues"
    documents = [{row.document for row in read_split(data, split)} for split in ("train", "test")]
    assert not documents[0] & documents[1]


@pytest.mark.parametrize(
    ("like", "text", "told"),
    [
        ("qa", "input\nx\n", "one column, 'input'. Expected two or more"),
        ("qa", "input,words\nx,y\n", "no column 'target', and none of a name that is known"),
        ("qa", "input,target\nx,y\n", "1 rows, expected 10 or more"),
        ("qa", "input,target\nx,\n", "r.csv:2: target is"),
        ("qa", "input,target\nx,y\nx,z\n", "r.csv:3: the same input as above"),
        ("ner", "input,target\nIda sat.,Eva <P>\n", "with mentions that stand in the input"),
    ],
)
def test_faults_of_rows_are_told_and_nothing_is_written(
    like: str, text: str, told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "r.csv").write_text(text)
    assert bench("new", "suite", "x", "--like", like, "--from", "r.csv") == 2
    assert told in capsys.readouterr().err
    assert bench("new", "suite", "x", "--like", like, "--from", "r.txt") == 2
    assert "r.txt: cannot be read (No such file" in capsys.readouterr().err
    assert not (folder / "suites").exists()
