"""`bench data`, `bench show` and `bench validate` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from harness.files import write_jsonl

BIOASQ = ("6B", "7B", "10B1", "10B2", "10B3", "10B4", "10B5", "10B6")


def bench(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(args)
    out = capsys.readouterr()
    return code, out.out, " ".join(out.err.split())


def states(out: str) -> dict[str, dict[str, str]]:
    return {row["dataset"]: row for row in json.loads(out)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no mirror, and nobody to fetch from."""
    from tasks.origins.download import Sources

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "400")
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(
        "tasks.origins.fetching.Sources", lambda: Sources(raw=nowhere, archive=nowhere)
    )
    return tmp_path / "cache" / "data"


def question(number: int, kind: str) -> dict[str, Any]:
    answers = {"yesno": ["no", "yes"][number % 2], "factoid": [["RET"]], "list": [["A1"], ["B2"]]}
    return {
        "id": f"{kind}{number}",
        "type": kind,
        "body": f"Question {number} of {kind}?",
        "snippets": [{"text": f"Snippet {number}."}],
        "documents": [f"http://x/{number}"],
        "exact_answer": answers[kind],
    }


def put_golden_files(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(BIOASQ):
        questions = [question(10 * place + i, k) for i in range(2) for k in ("yesno", "list")]
        (folder / f"{name}_golden.json").write_text(json.dumps({"questions": questions}))


def test_status_says_what_is_here_and_what_to_do_for_the_rest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [{"id": "a", "input": "x", "target": "yes", "labels": ["yes", "no"]}]
    for split in ("train", "test"):
        write_jsonl(tmp_path / "mirror" / "ddi2013" / f"{split}.jsonl", rows)
    names = "mini_yesno,ddi2013,hoc,bioasq_yesno"
    code, out, _ = bench(
        capsys, "data", "status", names, "--data", str(tmp_path / "mirror"), "--json"
    )
    found = states(out)
    assert code == 0
    assert {name: row["state"] for name, row in found.items()} == {
        "mini_yesno": "own",
        "ddi2013": "mirror",
        "hoc": "missing",
        "bioasq_yesno": "missing",
    }
    assert "1 test, 1 train" in found["ddi2013"]["message"]
    assert "'bench data fetch hoc' gets it from https://github.com/" in found["hoc"]["message"]
    note = found["bioasq_yesno"]["message"]
    assert "http://participants-area.bioasq.org" in note
    assert "10B1_golden.json to 10B6_golden.json into the folder 'source'" in note
    assert str(cache_of(tmp_path) / "bioasq_yesno" / "source") in note
    code, out, _ = bench(capsys, "data", "status", names)
    assert code == 0
    assert "missing" in out
    assert "participants-area.bioasq.org" in out


def cache_of(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "data"


def test_fetch_says_where_an_agreement_is_made_and_then_takes_the_files(
    capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    code, out, _ = bench(capsys, "data", "fetch", "bioasq_yesno", "--json")
    (row,) = json.loads(out)
    assert (code, row["state"]) == (2, "failed")
    source = cache / "bioasq_yesno" / "source"
    assert f"{source / '6B_golden.json'} is not there" in row["message"]
    assert "free registration" in row["message"]
    put_golden_files(source)
    code, out, _ = bench(capsys, "data", "fetch", "bioasq_yesno", "--json")
    (row,) = json.loads(out)
    assert (code, row["state"]) == (0, "fetched")
    assert "14 test and 2 train rows" in row["message"]
    assert "the card states 262 (a number reported elsewhere" in row["message"]
    code, out, _ = bench(capsys, "data", "fetch", "bioasq_yesno")
    assert code == 0
    assert "present" in out
    (row,) = json.loads(bench(capsys, "data", "status", "bioasq_yesno", "--json")[1])
    assert row["state"] == "fetched"
    # What was fetched is what the tasks read.
    code, out, _ = bench(capsys, "validate", "--tasks", "bioasq_yesno,bioasq_yesno_rank")
    assert (code, out.splitlines()[-1]) == (0, "2 tasks validated, 0 errors.")


def test_fetch_tells_of_each_set_it_could_not_get_and_exits_with_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = bench(capsys, "data", "fetch", "mini_yesno,ddi2013,hoc", "--json")
    found = states(out)
    assert code == 2
    assert found["mini_yesno"]["state"] == "nothing to fetch"
    assert found["ddi2013"]["state"] == found["hoc"]["state"] == "failed"
    assert "cannot be had: ConnectionError" in found["hoc"]["message"]
    assert "--data DIR or BENCH_DATA" in found["hoc"]["message"]


def test_a_mirror_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = bench(capsys, "data", "status", "hoc", "--data", "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere" in err


def test_show_prints_prompt_and_target(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = bench(capsys, "show", "mini_yesno", "--shots", "1", "--item", "3")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("task mini_yesno, item 3 (id ")
    assert lines[0].endswith("1 shots")
    assert lines[1] == "--- prompt ---"
    assert out.count("\nAnswer: ") == 1  # the demonstration's
    assert out.count("\nAnswer:\n--- expected ---\n") == 1
    assert lines[-1] in ("yes", "no")


def test_show_marks_the_choice_of_a_ranking_task(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = bench(capsys, "show", "mini-yesno-rank", "--item", "3")
    assert code == 0
    choices = out.partition("--- expected ---\n")[2].splitlines()
    assert sorted(line[2:] for line in choices) == ["no", "yes"]
    assert [line[0] for line in choices].count("*") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--item", "24"], "mini_yesno has items 0 to 23, not 24; choose with --item."),
        (["--shots", "9"], "9 shots asked, the train split has 8 rows."),
    ],
)
def test_show_says_what_there_is(
    capsys: pytest.CaptureFixture[str], args: list[str], message: str
) -> None:
    code, out, err = bench(capsys, "show", "mini_yesno", *args)
    assert (code, out) == (2, "")
    assert message in err


def test_show_takes_one_task(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = bench(capsys, "show", "biomed-mini")
    assert (code, out) == (2, "")
    assert "'biomed-mini' is 10 tasks" in err
    assert "mini_factoid" in err


def test_validate_json_and_exit_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = bench(capsys, "validate", "--tasks", "biomed-mini,biomed-mini-rank", "--json")
    assert code == 0
    assert [f for f in json.loads(out)["tasks"] if f["level"] == "error"] == []
    row = {"id": "a", "input": "Is it so?", "target": "true", "labels": ["true", "false"]}
    write_jsonl(tmp_path / "m" / "ddi2013" / "test.jsonl", [row])
    write_jsonl(tmp_path / "m" / "ddi2013" / "train.jsonl", [{**row, "id": "b"}])
    code, out, _ = bench(
        capsys, "validate", "--tasks", "ddi2013", "--data", str(tmp_path / "m"), "--json"
    )
    assert code == 2
    assert "demonstrations are test items" in out
