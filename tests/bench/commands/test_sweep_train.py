"""`bench sweep --split train`: other items, records that say so, and no way onto a test board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import cli
from harness.record import read_records
from harness.types import Record
from leaderboards.build import build
from leaderboards.spec import BoardSpec
from tests.bench.commands.test_sweep import make_project, project, sweep

__all__ = ["project"]


def _all(sweep: Path) -> list[Record]:
    return [record for part in sorted(sweep.iterdir()) for record in read_records(part)]


VARY = ("--specializer", "seedsft", "--vary", "seeds=2,6", "--split", "train")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two sweeps, over items of the training splits and over test items."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("swept"), patch)
        assert sweep(*VARY) == 0
        assert sweep(*VARY[:-2]) == 0
    return project / "bench-out" / "sweeps"


def test_items_of_the_training_split_are_asked_and_the_records_say_so(swept: Path) -> None:
    folder = swept / "seedsft-mine-seeds-train"
    content = json.loads(folder.with_suffix(".json").read_text())
    assert content["split"] == "train"
    assert any("training splits" in note for note in content["sections"][0]["notes"])
    records = _all(folder)
    assert {record.manifest["split"] for record in records} == {"train"}
    tested = _all(folder.with_name("seedsft-mine-seeds"))
    assert not any("split" in record.manifest for record in tested)
    ids = [{item["id"] for record in group for item in record.items} for group in (records, tested)]
    assert not ids[0] & ids[1]


def test_no_board_of_test_items_shows_them(swept: Path) -> None:
    trained = read_records(swept / "seedsft-mine-seeds-train" / "base")
    tested = read_records(swept / "seedsft-mine-seeds" / "base")
    board = build([*trained, *tested], BoardSpec(name="any"))
    assert len(board.refused) == len(trained)
    assert all("training" in line or "train split" in line for line in board.refused)
    alone = build(tested, BoardSpec(name="any"))
    assert board.sections == alone.sections


def test_an_item_is_never_among_its_own_demonstrations(project: Path) -> None:
    assert sweep(*VARY, "--shots", "1") == 0
    folder = project / "bench-out" / "sweeps" / "seedsft-mine-seeds-train" / "base"
    for record in read_records(folder):
        assert record.manifest["shots"] == 1
        assert record.manifest["n_full"] == record.summary["n"]


def test_names_keep_the_two_apart(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixed = ["sweep", "--model", "mine", "--tasks", "allergy", "--quiet", "--name", "a-train"]
    assert cli.main([*fixed, *VARY[:-2]]) == 2
    assert "--split train" in capsys.readouterr().err
