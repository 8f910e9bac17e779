"""`bench run` on lm-eval's own tasks, from a cache of the hub, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import main
from tests.harness.suites.test_exam_data import offline, snapshots, write, write_exams
from tests.test_large_models import write_model

__all__ = ["offline"]


def arc_rows(count: int):
    choices = {"text": ["ice", "iron", "air"], "label": ["A", "B", "C"]}
    return [
        {"id": f"q{i}", "question": f"What melts {i}?", "choices": choices, "answerKey": "A"}
        for i in range(count)
    ]


def gsm_rows(count: int):
    return [{"question": f"1 + {i}?", "answer": f"It is.\n#### {i + 1}"} for i in range(count)]


@pytest.fixture
def project(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny model, and a cache of the hub with five data sets."""
    place = snapshots(offline)
    write_exams(place)
    splits = {name: arc_rows(3) for name in ("train", "validation", "test")}
    write(place("allenai/ai2_arc"), "ARC-Easy", splits)
    write(place("openai/gsm8k"), "main", {"train": gsm_rows(8), "test": gsm_rows(3)})
    root = tmp_path / "project"
    root.mkdir()
    write_model(root / "tiny", "llama")
    (root / "bench.toml").write_text('[models.tiny]\nsource = "path:tiny"\n')
    monkeypatch.chdir(root)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return root


def test_a_run_records_lm_evals_own_tasks(project: Path, capsys: pytest.CaptureFixture[str]):
    tasks = "arc_easy,gsm8k,pubmedqa,medqa_4options,mmlu_anatomy"
    code = main(["run", "--models", "tiny", "--tasks", tasks, "--limit", "2", "--quiet"])
    assert code == 0, capsys.readouterr().err
    records = [json.loads(path.read_text()) for path in project.rglob("record.json")]
    assert {r["manifest"]["task"] for r in records} == set(tasks.split(","))
    assert {r["manifest"]["suite"] for r in records} == {"lm-eval"}
    assert all(r["summary"]["n_error"] == 0 for r in records)


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_limit_is_one_item_at_least(limit: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as error:
        main(["run", "--models", "smollm2", "--tasks", "biomed-mini", "--limit", limit])
    assert error.value.code == 2
    assert f"--limit: '{limit}': expected a whole number, 1 or more" in capsys.readouterr().err
