"""`bench show`: what a model gets is what a run asks, and what a specializer sends is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from tests.harness.tiny_models import write_gguf
from tests.test_large_models import write_model

RUN = ["--limit", "3", "--quiet"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model without a chat template, and one with it whose window is short."""
    write_model(tmp_path / "tiny", "llama")
    write_gguf(tmp_path / "chatty.gguf")
    text = '[models.tiny]\nsource = "path:tiny"\n[models.chatty]\nsource = "path:chatty.gguf"\n'
    (tmp_path / "bench.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.parametrize("task", ["mini_yesno", "mini_yesno_rank"])
def test_the_prompt_that_is_shown_is_the_one_that_a_run_asks(
    project: Path, capsys: Any, task: str
) -> None:
    models = ("tiny", "rag-tiny", "chatty")
    given = ["--shots", "1"]
    assert main(["run", "--models", ",".join(models), "--tasks", task, *given, *RUN]) == 0
    capsys.readouterr()
    seen = set()
    for model in models:
        rows = (next((project / f"bench-out/runs/{model}").glob("*/items.jsonl"))).read_text()
        for number, row in enumerate(map(json.loads, rows.splitlines())):
            assert main(["show", task, *given, "--item", str(number), "--model", model]) == 0
            out = capsys.readouterr().out
            assert out.splitlines()[-1] == f"prompt_sha256 {row['prompt_sha256']}"
            seen.add(row["prompt_sha256"])
            assert ("(chat template)" in out) is (model == "chatty")
            assert ("Background: " in out) is (model == "rag-tiny")
    assert len(seen) == 9


def test_what_rewrites_a_prompt_is_found_where_it_was_made(project: Path, capsys: Any) -> None:
    assert main(["show", "mini_yesno", "--model", "rag-tiny", "--out", "other"]) == 0
    assert "Background: " in capsys.readouterr().out
    assert len(list((project / "other/artifacts").glob("rag-tiny-*"))) == 1
    assert not (project / "bench-out").exists()


def test_a_specializers_prompts_are_shown(project: Path, capsys: Any) -> None:
    assert main(["show", "--specializer", "selfspec", "--item", "1"]) == 0
    first = capsys.readouterr().out
    assert "stage 'tasks', prompt 1 of about" in first
    assert "stage 'answers', prompt 1 of about" in first
    assert main(["show", "--specializer", "selfspec", "--item", "2"]) == 0
    assert capsys.readouterr().out != first
    assert main(["show", "--specializer", "rag"]) == 0
    assert "rag sends no prompts to its base" in capsys.readouterr().out


def test_one_thing_is_shown(project: Path, capsys: Any) -> None:
    for words in ([], ["mini_yesno", "--specializer", "selfspec"]):
        assert main(["show", *words]) == 2
        assert "name one of them" in capsys.readouterr().err
