"""All that is missing is told together, before a model is opened or anything is computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import cli
from harness.executors.base import LocalExecutor
from specializers import needs
from specializers.domain import SEED_KEYS

DOMAIN = """
name = "bare"
title = "Bare"
description = "Nothing."
expert = "an expert"
topics = ["a"]
seeds = "seeds.jsonl"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(LocalExecutor, "run", lambda *_: pytest.fail("something is computed"))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "domain.toml").write_text(DOMAIN)
    seed = dict.fromkeys(SEED_KEYS, "a")
    (tmp_path / "bare" / "seeds.jsonl").write_text(json.dumps(seed))
    (tmp_path / "bench.toml").write_text(
        '[domains]\nbare = "bare"\n'
        '[models.served]\nsource = "openai:m@http://127.0.0.1:9/v1"\n'
        '[models.local]\nsource = "path:weights"\n'
    )
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["run", "--tasks", "mini_yesno", "--quiet", *words]) == 2
    return capsys.readouterr().err


def test_everything_is_told_together(here, capsys):
    (here / "file").write_text("")
    text = told(
        capsys, "--models", "selfspec-local,rag-local,dapt-local,seedsft-served",
        "--domain", "bare", "--out", "file/out", "--set", "selfspec.inputs=model",
    )  # fmt: skip
    assert "selfspec-local: selfspec: retrieval is 'bm25', but domain 'bare' has no corpus" in text
    assert "rag-local: rag: there is nothing to retrieve from" in text
    assert "dapt-local: dapt: domain 'bare' has no corpus to train on" in text
    assert "seedsft-served: 'seedsft' trains weights" in text
    assert "http://127.0.0.1:9/v1: nobody answers there" in text
    assert "file/out: cannot be written" in text


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_corpus_is_no_corpus(here, capsys, content):
    (here / "corpus.jsonl").write_text(content)
    text = told(capsys, "--models", "rag-local,nobody", "--corpus", "corpus.jsonl")
    assert "nobody" in text
    text = told(capsys, "--models", "rag-local", "--corpus", "corpus.jsonl")
    assert "corpus.jsonl" in text
    assert "no passages" in text
    assert "nowhere.jsonl: not found" in told(
        capsys, "--models", "dapt-local", "--corpus", "nowhere.jsonl"
    )


def test_missing_packages_are_told_with_the_command_that_brings_them(capsys, monkeypatch):
    absent = {"peft", "Stemmer", "bitsandbytes"}
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name in absent else object())
    text = told(
        capsys, "--models", "selfspec-local,rag-local", "--set", "selfspec.quantisation=nf4"
    )
    for package in ("peft", "PyStemmer", "bitsandbytes"):
        assert f"needs '{package}', which is not installed" in text
    assert "pip install 'selfspec-bench[train]'" in text
    assert "pip install 'selfspec-bench[retrieval]'" in text


def test_wrong_parameters_and_unknown_tasks_are_told_with_the_rest(here, capsys):
    text = told(capsys, "--models", "selfspec-local", "--set", "retrieval=telepathy",
                "--tasks", "mini_yesn")  # fmt: skip
    assert "retrieval is 'telepathy', expected one of" in text
    assert "mini_yesn" in text
