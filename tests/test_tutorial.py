"""The tutorial's blocks, run in their order in one empty folder, with a tiny model as `smollm2`."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from bench import cli
from bench.config import load_config
from tests.specializers.tiny import save_model

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def test_the_walk_ends_with_a_board_of_three_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_model(tmp_path / "model")
    folder = tmp_path / "walk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    for name in ("BENCH_DATA", "BENCH_OUT"):
        monkeypatch.delenv(name, raising=False)
    # A model of bench.toml takes the place of the built-in one.
    Path("bench.toml").write_text(f'[models.smollm2]\nsource = "path:{model}"\nkind = "base"\n')
    blocks = BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))
    assert {language for language, _ in blocks} == {"python", "console"}
    for language, text in blocks:
        if language == "python":
            exec(compile(text, "tutorial.md", "exec"), {})
            continue
        for line in text.splitlines():
            name, *words = shlex.split(line)
            assert name == "bench"
            assert cli.main(words) == 0, f"{line}\n{capsys.readouterr().err}"
    assert set(load_config().suites) == {"opinions"}
    records = {
        path.parent.relative_to("bench-out/runs").as_posix(): json.loads(path.read_text())
        for path in Path("bench-out/runs").rglob("record.json")
    }
    assert set(records) == {
        "smollm2/opinions@0.0",
        "smollm2/opinions@2.0",
        "first-try-smollm2/opinions@0.0",
    }
    for record in records.values():
        assert (record["summary"]["n"], record["summary"]["n_error"]) == (20, 0)
    assert (Path("bench-out/boards/opinions") / "README.md").exists()
