"""Runs of one model asked otherwise, by the command line: each stays and has a row or table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import cli
from harness.record import read_records
from tests.bench.tiny import work_in

ASK = ["run", "--models", "tiny", "--tasks", "mini_yesno", "--quiet", "--no-bits", "--out", "out"]
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work_in(tmp_path, monkeypatch)
    (tmp_path / "tiny" / "chat_template.jinja").write_text(TEMPLATE)
    return tmp_path


@pytest.mark.parametrize(
    ("first", "second", "tables", "labels"),
    [
        (
            ["--limit", "2", "--dtype", "float32"],
            ["--limit", "2", "--dtype", "bfloat16"],
            1,
            {"tiny (float32)", "tiny (bfloat16)"},
        ),
        (["--limit", "4"], ["--limit", "8"], 2, {"tiny"}),
        (["--limit", "2", "--chat", "off"], ["--limit", "2", "--chat", "on"], 2, {"tiny"}),
    ],
    ids=["dtype", "limit", "chat"],
)
def test_a_later_run_leaves_the_earlier_one_and_both_stand(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    first: list[str],
    second: list[str],
    tables: int,
    labels: set[str],
) -> None:
    assert cli.main([*ASK, *first]) == 0
    kept = {path: path.read_bytes() for path in (folder / "out" / "runs").rglob("*.json*")}
    for _ in range(2):  # once more is the same run
        assert cli.main([*ASK, *second]) == 0
        assert len(read_records(folder / "out" / "runs")) == 2
    assert all(path.read_bytes() == content for path, content in kept.items())
    capsys.readouterr()
    assert cli.main(["board", "--out", "out"]) == 0
    board = json.loads((folder / "out" / "board" / "board.json").read_text())
    assert len(board["sections"]) == tables
    rows = [row for section in board["sections"] for row in section["rows"]]
    assert {row["label"] for row in rows} == labels
    assert len(rows) == 2
    assert all(cell["score"] is not None for row in rows for cell in row["cells"])
    shown = capsys.readouterr().out
    assert all(section["title"] in shown for section in board["sections"])
