"""lm-eval's own exams without a network: the hub's cache, a mirror, and what is said without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tasks
from harness.errors import UserErrors
from harness.suites.index import SuiteIndex

REVISION = "0123456789abcdef0123456789abcdef01234567"
MEDQA, MMLU, PUBMEDQA = "GBaker/MedQA-USMLE-4-options-hf", "cais/mmlu", "bigbio/pubmed_qa"
# Configurations with their files, as a README of the hub declares them.
README = """---
configs:
- config_name: {name}
  data_files:
{files}
---
"""


def write(folder: Path, name: str, splits: dict[str, list[dict[str, Any]]]) -> None:
    from datasets import Dataset

    folder.mkdir(parents=True, exist_ok=True)
    files = ""
    for split, rows in splits.items():
        Dataset.from_list(rows).to_parquet(folder / f"{name}-{split}.parquet")
        files += f"  - split: {split}\n    path: {name}-{split}.parquet\n"
    (folder / "README.md").write_text(README.format(name=name, files=files.rstrip()))


def medqa_rows(count: int) -> list[dict[str, Any]]:
    endings = {f"ending{i}": f"option {i}" for i in range(4)}
    return [{"sent1": f"Which {i}?", "label": i % 4, **endings} for i in range(count)]


def mmlu_rows(count: int) -> list[dict[str, Any]]:
    choices = ["a bone", "a muscle", "a nerve", "a gland"]
    return [{"question": f"What {i}?", "choices": choices, "answer": i % 4} for i in range(count)]


def write_exams(place: Any) -> None:
    write(place(MEDQA), "default", {s: medqa_rows(4) for s in ("train", "validation", "test")})
    write(
        place(MMLU),
        "anatomy",
        {"dev": mmlu_rows(5), "validation": mmlu_rows(2), "test": mmlu_rows(3)},
    )
    question = {"QUESTION": "Is it?", "CONTEXTS": ["It is."], "final_decision": "yes"}
    name = "pubmed_qa_labeled_fold0_source"
    write(place(PUBMEDQA), name, {split: [question] for split in ("train", "validation", "test")})


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No network, and an empty cache of the hub; gives the cache's folder."""
    import datasets
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True, raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "prepared")
    monkeypatch.delenv("BENCH_DATA", raising=False)
    return cache


@pytest.fixture(scope="module")
def index() -> SuiteIndex:
    found = SuiteIndex({"biomed": Path(tasks.__file__).parent / "biomed"})
    found.expand(["medqa_4options"])  # lm-eval's own index takes seconds: once
    return found


def load(index: SuiteIndex, *names: str, data: Path | None = None) -> dict[str, Any]:
    return index.load(names, shots=0, draw=0, data=data)


def check(exams: dict[str, Any]) -> None:
    medqa = exams["medqa_4options"]
    assert medqa.fewshot_context(medqa.eval_docs[0], 0) == (
        "Question: Which 0?\nA. option 0\nB. option 1\nC. option 2\nD. option 3\nAnswer:"
    )
    assert len(exams["mmlu_anatomy"].eval_docs) == 3
    assert exams["pubmedqa"].eval_docs[0]["final_decision"] == "yes"


def test_offline_the_hubs_cache_serves(offline: Path, index: SuiteIndex) -> None:
    def snapshot(dataset: str) -> Path:
        folder = offline / f"datasets--{dataset.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(REVISION)
        return folder / "snapshots" / REVISION

    write_exams(snapshot)
    check(load(index, "medqa_4options", "mmlu_anatomy", "pubmedqa"))


def test_a_mirror_serves_and_comes_first(
    offline: Path, index: SuiteIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    write_exams(lambda dataset: mirror / dataset)
    names = ("medqa_4options", "mmlu_anatomy", "pubmedqa")
    check(load(index, *names, data=mirror))
    monkeypatch.setenv("BENCH_DATA", str(mirror))
    check(load(index, *names))


def test_what_is_missing_is_said_for_every_task_at_once(
    offline: Path, index: SuiteIndex, tmp_path: Path
) -> None:
    write(
        tmp_path / MMLU,
        "virology",
        {"dev": mmlu_rows(1), "validation": mmlu_rows(1), "test": mmlu_rows(1)},
    )
    with pytest.raises(UserErrors) as error:
        load(index, "medqa_4options", "mmlu_anatomy", data=tmp_path)
    medqa_fault, mmlu_fault = error.value.messages
    assert f"task 'medqa_4options' is lm-eval's own and its data set '{MEDQA}'" in medqa_fault
    assert f"--local-dir DIR/{MEDQA}') and name the mirror with --data DIR" in medqa_fault
    assert "data set 'cais/mmlu' (part 'anatomy') cannot be read in" in mmlu_fault
    assert "virology" in mmlu_fault


def test_an_exam_of_a_suite_is_told_of_task_by_task(offline: Path, index: SuiteIndex) -> None:
    with pytest.raises(UserErrors) as error:
        load(index, *index.expand(["biomed-exam"]))
    assert len(error.value.messages) == 12
    assert all("is lm-eval's own and its data set" in fault for fault in error.value.messages)
