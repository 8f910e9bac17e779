"""Group scores of the board against lm-eval's own, to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from leaderboards.board import as_json
from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.render import render_markdown
from tests.parity.features import BASE, rows
from tests.parity.model import write_model
from tests.parity.programs import Bench, LmEval

SIZES = {"small": 2, "middle": 3, "large": 8}


def write(folder: Path) -> Path:
    """Tasks of other sizes, a group of groups over them, one of it with keys of its own."""
    folder.mkdir()
    for place, (name, size) in enumerate(SIZES.items()):
        path = folder / f"{name}.json"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(size, 10 * place)))
        task = {"task": name, "dataset_path": "json", "test_split": "test", **BASE["choice"],
                "dataset_kwargs": {"data_files": {"test": str(path)}},
                "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]}  # fmt: skip
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task))
    groups = [
        {"group": "by_size", "task": list(SIZES), "metadata": {"version": 3},
         "aggregate_metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]},
        {"group": "alike", "task": list(SIZES), "group_alias": "All alike",
         "aggregate_metric_list": [{"metric": "acc", "weight_by_size": False}]},
        {"group": "of_groups", "aggregate_metric_list": {"metric": "acc"},
         "task": [{"group": "inner", "task": ["small", "large"],
                   "aggregate_metric_list": [{"metric": "acc_norm"}]},
                  {"task": "middle", "doc_to_text": "Other {{q}}\nA:"}]},
    ]  # fmt: skip
    for group in groups:
        (folder / f"{group['group']}.yaml").write_text(yaml.safe_dump(group))
    return folder


@pytest.mark.parametrize("name", ["by_size", "alike", "of_groups"])
def test_group_scores_are_lm_evals(tmp_path: Path, name: str) -> None:
    model, folder = write_model(tmp_path / "model"), write(tmp_path / "suites")
    records, told = Bench(model, folder, tmp_path / "out").run([name], chat=False)
    assert not told
    board = build(records, BoardSpec("groups", resamples=200))
    _, theirs = LmEval(model, folder).run(name, chat=False)
    mine = {(one.group, one.metric): one for one in board.groups}
    wanted = {
        (group, key.removesuffix(",none")): value
        for group, values in theirs.items()
        for key, value in values.items()
        if key.endswith(",none") and "stderr" not in key
    }
    assert wanted
    for key, value in wanted.items():
        assert mine[key].score == pytest.approx(value, abs=1e-12)
        span = mine[key].interval
        assert span is not None
        assert span.low <= value <= span.high
    assert as_json(board)["groups"]
    assert "groups, as lm-eval averages them" in render_markdown(board)


def test_a_group_with_a_task_missing_has_no_score(tmp_path: Path) -> None:
    model, folder = write_model(tmp_path / "model"), write(tmp_path / "suites")
    records, _ = Bench(model, folder, tmp_path / "out").run(["small"], chat=False)
    board = build(records, BoardSpec("groups", resamples=200))
    assert board.groups == ()
    assert "groups" not in as_json(board)
