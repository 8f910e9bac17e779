"""lm-eval's own `mmlu`, 57 subjects of a cache of the hub: its weighted score to the last digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.api import run
from bench.workspace import Workspace
from harness.progress import NullProgress
from harness.types import ModelSpec
from leaderboards.build import build
from leaderboards.spec import BoardSpec
from tests.harness.suites.test_exam_data import README, offline, snapshots
from tests.parity.model import write_model

__all__ = ["offline"]

ROWS = 2  # of each subject; the first has one more, so that sizes weigh


def subjects() -> dict[str, str]:
    """Task -> subject, as lm-eval ships them."""
    import lm_eval.tasks

    folder = Path(str(lm_eval.tasks.__file__)).parent / "mmlu" / "default"
    found = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("mmlu_*.yaml"))]
    return {str(one["task"]): str(one["dataset_name"]) for one in found}


def write_mmlu(folder: Path, names: list[str]) -> None:
    """The data set as the hub has it: a configuration a subject, in one README."""
    from datasets import Dataset

    folder.mkdir(parents=True)
    configs = []
    for number, name in enumerate(names):
        count = ROWS + (number == 0)
        rows: list[dict[str, Any]] = [
            {"question": f"{name} {i}?", "choices": [f"{c} {number}" for c in "wxyz"],
             "answer": (number + i) % 4}
            for i in range(count)
        ]  # fmt: skip
        files = ""
        for split in ("dev", "test"):
            Dataset.from_list(rows).to_parquet(folder / f"{name}-{split}.parquet")
            files += f"  - split: {split}\n    path: {name}-{split}.parquet\n"
        body = README.format(name=name, files=files.rstrip())
        configs.append(body.removeprefix("---\nconfigs:\n").removesuffix("---\n"))
    (folder / "README.md").write_text("---\nconfigs:\n" + "".join(configs) + "---\n")


def test_the_weighted_score_is_lm_evals_to_the_last_digit(offline: Path, tmp_path: Path) -> None:
    from lm_eval.api.metrics import aggregate_subtask_metrics

    names = subjects()
    assert len(names) == 57
    write_mmlu(snapshots(offline)("cais/mmlu"), list(names.values()))
    workspace = Workspace(tmp_path / "out", progress=NullProgress(), dtype="float32")
    workspace.register(ModelSpec("tiny", f"path:{write_model(tmp_path / 'model')}"))
    records = {one.manifest["task"]: one for one in run("tiny", ["mmlu"], workspace=workspace)}
    assert records.keys() == names.keys()
    assert sum(one.summary["n"] for one in records.values()) == 57 * ROWS + 1
    board = build(records.values(), BoardSpec("mmlu", resamples=100))
    found = {one.group: one for one in board.groups}
    parts = ("mmlu_stem", "mmlu_other", "mmlu_social_sciences", "mmlu_humanities")
    assert found.keys() == {"mmlu", *parts}
    for name, group in found.items():
        tasks = next(iter(records.values())).manifest["groups"]["mmlu"]["tasks"]
        if name != "mmlu":
            tasks = next(
                groups[name]["tasks"]
                for one in records.values()
                if name in (groups := one.manifest["groups"])
            )
        theirs = aggregate_subtask_metrics(
            [records[task].summary["metrics"]["acc"] for task in tasks],
            [records[task].summary["n"] for task in tasks],
            True,
        )
        assert group.score == theirs
        assert group.tasks == len(tasks)
    assert found["mmlu"].n == 57 * ROWS + 1
    assert sum(found[part].n for part in parts) == found["mmlu"].n


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
