"""`bench explain` from records and an artifact on disk, and what it says where one is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import cli
from harness.artifacts.make import ensure
from harness.doors.seals import sealed
from harness.errors import UserError
from harness.files import write_jsonl
from harness.progress import NullProgress
from harness.record import write_record
from harness.types import Json
from leaderboards.pages.nearest import read_explained
from specializers.domain import load_domain
from specializers.retrieval import embedding
from tests.leaderboards.records import item, record_of
from tests.specializers.tiny import ScriptedBase, generation, save_domain

MODEL = "noter-scripted"


class Noter:
    """Writes training examples with their lineage and trains on none."""

    name = "noter"
    version = 1
    summary = "notes"
    kind = "adapter"
    budgets: Any = {"tiny": {}}  # noqa: RUF012

    def specialize(self, base: Any, domain: Any, params: Any, out: Path, progress: Any) -> Json:
        rows = [
            {
                "id": f"task-{number}",
                "instruction": f"Answer about {herb}.",
                "input": "",
                "output": herb,
                "seeds": {"instruction": [f"seed-{number}"], "response": ["seed-5"]},
                "documents": [f"passage-{number}"],
                "filters": ["length"],
            }
            for number, herb in enumerate(("ginger", "sage", "mint"))
        ]
        write_jsonl(out / "data.jsonl", rows)
        return {}


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The out folder of a run of two models on one task, 0 shots."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_OUT", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "bench-out"
    base = ScriptedBase(lambda prompt, decoding: generation(""))
    base.numerics = {}  # type: ignore[attr-defined]
    domain = load_domain(save_domain(tmp_path / "domain"))
    artifact = ensure(Noter(), base, domain, {}, folder / "artifacts", NullProgress())
    herbs = ("ginger", "sage", "thyme")
    answers = {"scripted": [0, 1, 0], MODEL: [1, 0, 0]}
    for model, values in answers.items():
        rows = [item(i, v, input=f"Is it {herbs[i]}?") for i, v in enumerate(values)]
        mine = {"specializer": "noter", "artifact": artifact.digest} if model == MODEL else {}
        record = record_of(model, "herbs", rows, base="scripted", **mine)
        place = folder / "runs" / model / "herbs@0.0"
        place.mkdir(parents=True)
        write_record(place, dict(record.manifest), list(record.items), dict(record.summary), {})
    return folder


def explain(*args: str) -> int:
    return cli.main(["explain", *args])


def test_by_words_where_no_embedding_is_asked_for(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(MODEL, "--task", "herbs", "--embedding", "none", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    path = out / "explain" / MODEL / "herbs@0.json"
    assert json.loads(path.read_text()) == sealed(content)
    assert content["method"].startswith("shared words")
    assert (content["compared"], content["gained"], content["lost"]) == (3, 1, 1)
    gained, lost = content["items"]
    assert (gained["id"], lost["id"]) == ("i0000", "i0001")
    nearest = gained["nearest"][0]
    assert nearest["example"] == "task-0"
    assert (nearest["seeds"], nearest["documents"]) == (["seed-0", "seed-5"], ["passage-0"])
    assert nearest["lineage"]["filters"] == ["length"]
    assert content["sources"]["seeds"]["seed-0"].startswith("Instruction of seed 0")
    assert content["sources"]["passages"]["passage-0"].startswith("On willow bark")
    assert "seed-2" not in content["sources"]["seeds"]
    found = read_explained(out, MODEL, "herbs", 0, content["of"])
    assert found is not None
    assert found["i0001"][0].example == "task-1"


def test_by_meaning_where_there_is_an_embedding_model(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Letters:
        """Texts are near where they end in the same letters."""

        def passages(self, texts: list[str]) -> Any:
            rows = np.array([[text.count(c) + 0.01 for c in "gsm"] for text in texts], np.float32)
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

        def query(self, text: str) -> Any:
            return self.passages([text])

    monkeypatch.setattr(embedding, "open_embedder", lambda name, progress: Letters())
    assert explain(MODEL, "--task", "herbs") == 0
    shown = capsys.readouterr().out
    assert "embeddings of 'minilm'" in shown
    assert "gained: i0000" in shown
    assert "from passage passage-0: On willow bark" in shown


def test_an_embedding_model_that_cannot_be_had_is_said(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str, progress: Any) -> Any:
        raise UserError("the index cannot be reached\nmore of it")

    monkeypatch.setattr(embedding, "open_embedder", refuse)
    assert explain(MODEL, "--task", "herbs", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["method"] == "shared words (no embedding model: the index cannot be reached)"


MISTAKES = {
    "unknown model": (["noter-scriptd", "--task", "herbs"], ["Did you mean 'noter-scripted'?"]),
    "a base": (["scripted", "--task", "herbs"], ["is a base model", "selfspec-scripted"]),
    "another task": (
        [MODEL, "--task", "spices"],
        ["no record of task 'spices'", "found herbs@0. Choose"],
    ),
    "other shots": (
        [MODEL, "--task", "herbs", "--shots", "2"],
        ["with 2 shots", "found herbs@0. Choose"],
    ),
    "embedding": ([MODEL, "--task", "herbs", "--embedding", "minilmm"], ["Did you mean 'minilm'"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message(
    out: Path, mistake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args, parts = MISTAKES[mistake]
    assert explain(*args) == 2
    told = capsys.readouterr()
    assert told.out == ""
    for part in parts:
        assert part in told.err


def test_what_is_missing_is_named_with_the_next_step(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (artifact,) = (out / "artifacts").glob("noter-*")
    shutil.rmtree(artifact)
    assert explain(MODEL, "--task", "herbs") == 2
    assert str(artifact.relative_to(out.parent)) in capsys.readouterr().err
    shutil.rmtree(out / "runs" / "scripted")
    assert explain(MODEL, "--task", "herbs") == 2
    told = capsys.readouterr().err
    assert f"bench run --models scripted,{MODEL} --tasks herbs --shots 0" in told
