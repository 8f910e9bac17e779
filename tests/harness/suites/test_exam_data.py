"""lm-eval's own exams without a network: the hub's cache, a mirror, and what is said without."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import tasks
from harness.errors import UserError, UserErrors
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


def snapshots(cache: Path) -> Callable[[str], Path]:
    """Data set -> the folder of its files in the hub's cache, which is begun there."""

    def snapshot(dataset: str) -> Path:
        folder = cache / f"datasets--{dataset.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(REVISION)
        return folder / "snapshots" / REVISION

    return snapshot


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
    write_exams(snapshots(offline))
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


def test_one_line_tells_of_a_data_set_that_many_tasks_want(
    offline: Path, index: SuiteIndex
) -> None:
    with pytest.raises(UserErrors) as error:
        load(index, *index.expand(["biomed-exam"]))
    sets = [message.split("data set '")[1].split("'")[0] for message in error.value.messages]
    assert sorted(sets) == sorted({PUBMEDQA, MEDQA, "openlifescienceai/medmcqa", MMLU})
    (mmlu,) = [message for message in error.value.messages if f"'{MMLU}'" in message]
    assert " and 5 more are lm-eval's own" in mmlu
    assert "(HF_HUB_OFFLINE is set, and it is not here)" in mmlu


@pytest.fixture
def dead_hub(offline: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub whose every answer is a closed connection; gives the addresses asked."""
    import datasets
    from huggingface_hub import constants

    asked: list[str] = []

    class Closed(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            asked.append(self.rfile.readline().decode())
            self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", address)
        yield asked
        server.shutdown()
        thread.join()


def test_a_hub_that_does_not_answer_is_asked_once(dead_hub: list[str], index: SuiteIndex) -> None:
    with pytest.raises(UserErrors) as error:
        load(index, *index.expand(["mmlu"]))
    (line,) = error.value.messages
    assert line.startswith("tasks 'mmlu_")
    assert " and 53 more are lm-eval's own" in line
    assert "(no answer from http://127.0.0.1:" in line
    # The client itself repeats a request whose connection was closed, at once, a time or two.
    assert 1 <= len(dead_hub) <= 3


def test_where_the_hub_does_not_answer_its_cache_serves(
    offline: Path, dead_hub: list[str], index: SuiteIndex
) -> None:
    write_exams(snapshots(offline))
    check(load(index, "medqa_4options", "mmlu_anatomy", "pubmedqa"))


def test_an_index_that_was_asked_nothing_yet_knows_lm_evals_own(offline: Path) -> None:
    """As in the worker of a run, which is opened anew wherever it works."""
    write_exams(snapshots(offline))
    suites = {"biomed": Path(tasks.__file__).parent / "biomed"}
    assert SuiteIndex(suites).place("arc_easy").suite == "lm-eval"
    assert list(load(SuiteIndex(suites), "medqa_4options")) == ["medqa_4options"]
    with pytest.raises(UserError, match="unknown task 'medqa_5options'"):
        SuiteIndex(suites).place("medqa_5options")
