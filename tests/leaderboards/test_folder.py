"""A board's folder: made from records, compared with them byte for byte, published."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import cli
from harness.errors import UserError
from harness.record import read_records
from leaderboards.folder import check_folder, own_spec, write_folder
from leaderboards.publish import publish
from leaderboards.spec import BoardSpec, dump_board, load_board
from tests.leaderboards.artifact import write_artifact
from tests.leaderboards.records import item, record, record_of, store

SPEC = BoardSpec("made_up", suite="made_up", resamples=300)
SECRET = "Naevi of Otherland are never described elsewhere"
ROOT = Path(__file__).parents[2]


def pair(**changes):
    return [
        record("tiny", "one", [1, 0, 0, 0, 1, 0], **changes),
        record("selfspec-tiny", "one", [1, 1, "?", 1, None, 0], **changes),
    ]


def third_party():
    """A record of a set that may not be passed on, quoted in every text there is."""
    rows = [
        item(i, value, input=SECRET, answer=f"no: {SECRET}")
        | {
            "target": [SECRET],
            "flags": ["leaked"],
            "leak": {
                "sources": 1,
                "hits": [{"source": "x", "kind": "whole", "share": 1.0, "span": SECRET}],
            },
            "responses": [{"tokens": 9, "text": SECRET, "finish": "eos", "error": SECRET}],
        }
        for i, value in enumerate([1, 0, 1, 0])
    ]
    return record_of("tiny", "kept", rows, redistribute=False)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_OUT", raising=False)
    home = tmp_path / "bench-out"
    store(home / "runs", *pair(), third_party())
    return home


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def bench(capsys, *args):
    code = cli.main(args)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_board_that_is_what_its_records_give(home, capsys):
    assert bench(capsys, "board", "--quiet") == (0, "", "")
    code, out, _ = bench(capsys, "board", "check")
    assert code == 0
    assert "is what its 3 records give, byte for byte" in out


def test_every_file_that_differs_is_missing_or_left_over_is_named(home, capsys):
    bench(capsys, "board", "--quiet")
    board = home / "board"
    (board / "scores.csv").write_bytes((board / "scores.csv").read_bytes() + b"\n")
    (board / "index.html").unlink()
    (board / "more").mkdir()
    (board / "more" / "notes.txt").write_text("mine")
    code, out, err = bench(capsys, "board", "check")
    assert (code, out) == (1, "")
    assert "scores.csv: differs" in err
    assert "index.html: missing" in err
    assert "more/notes.txt: left over" in err
    assert "3 files" in err


def test_a_board_never_built_fails(home, capsys):
    code, _, err = bench(capsys, "board", "check")
    assert code == 1
    assert "README.md: missing" in err


def test_a_declared_board_has_a_folder_of_its_own(home, capsys, tmp_path):
    (tmp_path / "mine.toml").write_text('tasks = ["one"]\nresamples = 300\n')
    (tmp_path / "bench.toml").write_text('[boards]\nmine = "mine.toml"\n')
    assert bench(capsys, "board", "build", "mine", "--quiet")[0] == 0
    board = json.loads((home / "boards" / "mine" / "board.json").read_text())
    assert [column["task"] for column in board["sections"][0]["columns"]] == ["one"]
    assert bench(capsys, "board", "check", "mine")[0] == 0
    assert bench(capsys, "board", "--quiet")[0] == 0
    assert bench(capsys, "board", "check")[0] == 0  # the other board is not left over in it


def test_options_before_and_after_the_part_count(home, capsys):
    code, out, _ = bench(capsys, "board", "--out", str(home), "build", "--markdown")
    assert code == 0
    assert out.startswith("# ")
    code, out, _ = bench(capsys, "board", "--quiet", "check", "--out", str(home))
    assert (code, out) == (0, "")


def test_seconds_stand_apart_from_the_board(home, capsys):
    bench(capsys, "board", "--quiet")
    before = contents(home / "board")
    store(home / "runs", *pair(), seconds=5.0)
    bench(capsys, "board", "--quiet")
    assert contents(home / "board") == before
    rows = list(csv.DictReader((home / "costs.csv").open()))
    assert [row["seconds"] for row in rows if row["task"] == "one"] == ["7.0", "7.0"]


def test_a_published_board_rebuilds_from_its_own_records(home, capsys, tmp_path):
    target = tmp_path / "published" / "mine"
    code, out, _ = bench(capsys, "board", "publish", "--to", str(target))
    assert code == 0
    assert "bench board check --out" in out
    assert bench(capsys, "board", "check", "--out", str(target))[0] == 0
    before = contents(target)
    assert {name for name in before if name.startswith("board/")} == {
        f"board/{name}" for name in ("README.md", "board.json", "board.tex", "scores.csv")
    }
    assert bench(capsys, "board", "publish", "--to", str(target), "--quiet")[0] == 0
    assert contents(target) == before


def test_a_published_board_has_its_pages_built_and_then_checked_too(home, capsys, tmp_path):
    target = tmp_path / "mine"
    bench(capsys, "board", "publish", "--to", str(target), "--quiet")
    before = contents(target)
    assert bench(capsys, "board", "build", "--out", str(target), "--quiet")[0] == 0
    built = contents(target)
    assert {name: built[name] for name in before} == before
    assert "board/index.html" in built
    assert bench(capsys, "board", "check", "--out", str(target))[0] == 0
    page = target / "board" / "index.html"
    page.write_bytes(page.read_bytes() + b" ")
    code, _, err = bench(capsys, "board", "check", "--out", str(target))
    assert (code, "index.html: differs" in err) == (1, True)
    bench(capsys, "board", "publish", "--to", str(target), "--quiet")
    assert contents(target) == before


def test_what_pages_show_of_an_artifact_is_published_when_asked(home, capsys, tmp_path):
    made = write_artifact(home, "selfspec-tiny", examples=3)
    (made / "adapter_model.safetensors").write_bytes(b"weights")
    target = tmp_path / "mine"
    bench(capsys, "board", "publish", "--to", str(target), "--quiet")
    assert not (target / "artifacts").exists()
    code, out, _ = bench(capsys, "board", "publish", "--to", str(target), "--examples")
    assert (code, "examples of: selfspec-tiny" in out) == (0, True)
    names = {path.name for path in (target / "artifacts" / made.name).iterdir()}
    assert names == {"manifest.json", "sources.json", "training.jsonl", "data.jsonl"}
    bench(capsys, "board", "build", "--out", str(target), "--quiet")
    page = (target / "board" / "model-0-selfspec-tiny.html").read_text()
    assert "a seed of the domain" in page
    bench(capsys, "board", "publish", "--to", str(target), "--quiet")
    assert not (target / "artifacts").exists()


def test_nothing_published_quotes_a_set_that_may_not_be_passed_on(home, tmp_path):
    target = tmp_path / "mine"
    publish(read_records(home / "runs"), SPEC, "mine", target)
    for name, data in contents(target).items():
        assert SECRET.encode() not in data, name
        assert b"Otherland" not in data, name


def test_a_published_record_keeps_ids_counts_scores_and_states(home, tmp_path):
    publish(read_records(home / "runs"), SPEC, "mine", tmp_path / "mine")
    by_task = {
        (r.manifest["task"], r.manifest["model"]): r for r in read_records(tmp_path / "mine/runs")
    }
    kept, own = by_task["kept", "tiny"], by_task["one", "tiny"]
    assert kept.manifest["withheld"] is True
    assert kept.items[1] == {
        "id": "i0001", "status": "ok", "metrics": {"accuracy": 0, "unparseable": 0},
        "document": "d0001", "cut_tokens": 0, "prompt_sha256": f"{1:064x}", "flags": ["leaked"],
        "responses": [{"tokens": 9, "finish": "eos"}],
    }  # fmt: skip
    assert "withheld" not in own.manifest
    assert own.items[0]["answer"] == "yes"


def test_withholding_texts_changes_no_number(home, tmp_path):
    records = read_records(home / "runs")
    write_folder(records, SPEC, home, home / "board")
    publish(records, SPEC, "made_up", tmp_path / "mine")
    for name in ("board.json", "scores.csv", "README.md"):
        assert (tmp_path / "mine/board" / name).read_bytes() == (home / "board" / name).read_bytes()


def test_own_texts_are_shown_beside_withheld_ones(home, tmp_path):
    """A reader who has the data sees the texts of a record whose copy came without them."""
    publish(read_records(home / "runs"), SPEC, "mine", tmp_path / "mine")
    store(tmp_path / "mine" / "runs", third_party())
    write_folder(read_records(tmp_path / "mine/runs"), SPEC, tmp_path, tmp_path / "board")
    assert any(b"Otherland" in data for data in contents(tmp_path / "board").values())


def test_publishing_does_not_replace_a_folder_that_holds_something_else(home, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"mine: not empty, and no published board"):
        publish(read_records(home / "runs"), SPEC, "mine", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_published_folder_with_two_declarations_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.board.toml").write_text("")
    with pytest.raises(UserError, match=r"several boards' declarations \(a.board.toml, b"):
        own_spec(tmp_path)


def test_a_declaration_is_written_as_it_is_read(tmp_path):
    spec = BoardSpec(
        "mine", title='Say "hi"\\\u007f\n', suite="s", tasks=("b", "a"), shots=(0, 5),
        models=("m",), baseline="m", metrics={"a": "f1", 'x"y': "g"}, versions={"a": "1"},
        references=("selfspec-paper-base",), resamples=500,
    )  # fmt: skip
    (tmp_path / "mine.toml").write_text(dump_board(spec))
    assert load_board(tmp_path / "mine.toml") == spec


def test_another_locale_time_zone_hash_seed_and_order_give_the_same_bytes(home, tmp_path):
    program = (
        "import sys, random\n"
        "from pathlib import Path\n"
        "from harness.record import read_records\n"
        "from leaderboards.folder import write_folder\n"
        "from leaderboards.spec import BoardSpec\n"
        "runs, out, seed = sys.argv[1:]\n"
        "records = read_records(Path(runs))\n"
        "random.Random(seed).shuffle(records)\n"
        "spec = BoardSpec('made_up', suite='made_up', resamples=300)\n"
        "write_folder(records, spec, Path(out), Path(out))\n"
    )
    made = []
    for seed, zone, language in (("1", "UTC", "C"), ("77", "Asia/Tokyo", "tr_TR.UTF-8")):
        out = tmp_path / seed
        env = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": language,
               "LANG": language, "PYTHONPATH": str(ROOT)}  # fmt: skip
        subprocess.run(
            [sys.executable, "-c", program, str(home / "runs"), str(out), seed],
            env=env, check=True, cwd=tmp_path,
        )  # fmt: skip
        made.append(contents(out))
    assert made[0] == made[1]


def test_check_reports_nothing_for_a_fresh_board(home):
    records = read_records(home / "runs")
    write_folder(records, SPEC, home, home / "board")
    assert check_folder(records, SPEC, home, home / "board") == []


PUBLISHED = sorted((ROOT / "leaderboards" / "published").glob("*/*.board.toml"))


def test_the_boards_that_the_workflow_and_the_readme_name_are_published():
    assert {"biomed", "biomed-mini"} <= {path.parent.name for path in PUBLISHED}


@pytest.mark.parametrize("declared", PUBLISHED, ids=lambda path: path.parent.name)
def test_published_boards_are_what_their_records_give(declared):
    home = declared.parent
    records = read_records(home / "runs")
    assert check_folder(records, own_spec(home), home, home / "board") == []
