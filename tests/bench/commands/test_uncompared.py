"""Models that only their user knows to be made of another are compared by a file that is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import cli
from tests.leaderboards.records import record, store

BETTER, WORSE = [1] * 18 + [0] * 2, [1] * 6 + [0] * 14


def board(capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["board"]) == 0
    return capsys.readouterr().out


def test_what_is_told_makes_the_difference_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    merged = record("merged", "herbs", BETTER, model_digest="c" * 64)
    store(Path("bench-out/runs"), record("base", "herbs", WORSE), merged)
    out = board(capsys)
    assert "+60" not in out
    told = re.search(r"Write this to (\S+), .*'bench board':\n(.*)", out, re.S)
    assert told is not None
    assert 'baseline = "base"' in told[2]
    Path(told[1]).write_text(told[2], encoding="utf-8")
    out = board(capsys)
    assert "Write this to" not in out
    assert "+60" in out
    assert cli.main(["board", "check"]) == 0


@pytest.mark.parametrize("models", [["base"], ["base", "selfspec-base"]])
def test_nothing_is_told_where_nothing_or_something_is_compared(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    store(Path("bench-out/runs"), *[record(model, "herbs", WORSE) for model in models])
    assert "Write this to" not in board(capsys)
