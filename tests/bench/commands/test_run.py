"""`bench run`: exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tasks
from bench import cli
from harness.doors.files import read_jsonl
from tests.bench.tiny import work_in

DATA = Path(tasks.__file__).parent / "biomed_mini" / "data" / "mini_yesno"


def test_leaked_items_end_in_exit_code_1_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work_in(tmp_path, monkeypatch)
    item = next(iter(read_jsonl(DATA / "test.jsonl")))
    rows = {"clean": "Mint helps.", "leaking": f"It is told: {item['input']}"}
    for name, said in rows.items():
        (tmp_path / f"{name}.jsonl").write_text(
            json.dumps({"id": name, "title": "", "text": said}) + "\n"
        )
    command = ["run", "--models", "tiny,rag-tiny", "--tasks", "mini_yesno", "--no-bits", "--quiet"]
    leaking = [*command, "--corpus", "leaking.jsonl", "--out", "leaking"]
    assert cli.main(leaking) == 0
    assert "--fail-on-leaks" not in capsys.readouterr().err
    assert cli.main([*leaking, "--fail-on-leaks"]) == 1
    told = "test items in what these were made from: rag-tiny (mini_yesno 1 of {})"
    count = sum(1 for _ in read_jsonl(DATA / "test.jsonl"))
    assert told.format(count) in capsys.readouterr().err
    clean = [*command, "--corpus", "clean.jsonl", "--out", "clean", "--fail-on-leaks"]
    assert cli.main(clean) == 0
