"""A model made several times: seeds, records, the row, and what cannot be made twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from bench.workspace import Recipe, Workspace
from harness.artifacts.makes import seeded
from harness.errors import UserError
from harness.files import write_jsonl
from harness.types import Json
from leaderboards.build import build
from tests.bench.tiny import work_in


class Caster:
    """Rewrites prompts by a die that its seed throws."""

    name = "caster"
    version = 1
    summary = "throws a die"
    kind = "prompt"
    budgets: Any = {"tiny": {"seed": 4}}  # noqa: RUF012

    def specialize(self, base: Any, domain: Any, params: Any, out: Path, progress: Any) -> Json:
        write_jsonl(out / "thrown.jsonl", [{"id": "die", "value": params["seed"]}])
        return {"value": params["seed"]}

    def rewrite_input(self, folder: Path) -> Any:
        thrown = json.loads((folder / "thrown.jsonl").read_text())["value"]
        return lambda text: f"{text} ({thrown})"


class Steady(Caster):
    name = "steady"
    budgets: Any = {"tiny": {"passages": 2}}  # noqa: RUF012


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    work_in(tmp_path, monkeypatch)
    found = Workspace(tmp_path / "out")
    found.register(Caster())
    found.register(Steady())
    return found


def run(workspace: Workspace, models: str, **recipe: Any) -> Any:
    from bench.api import run

    return run(models, "mini_yesno", limit=4, recipe=Recipe(**recipe), workspace=workspace).records


def test_each_make_is_an_artifact_with_a_record_and_the_row_is_their_mean(
    workspace: Workspace,
) -> None:
    records = run(workspace, "tiny,caster-tiny", makes=3)
    made = [record for record in records if record.manifest["specializer"]]
    assert [record.manifest.get("make", 0) for record in made] == [0, 1, 2]
    assert len({record.manifest["artifact"] for record in made}) == 3
    assert len({str(record.folder) for record in made}) == 3
    first = made[0].manifest["artifact"]
    assert [record.manifest.get("make_of") for record in made] == [None, first, first]
    seeds = [record.manifest["made_from"]["params"]["seed"] for record in made]
    assert seeds == [4, 5, 6]
    board = build(workspace.records(), workspace.board_spec("", records))
    (section,) = board.sections
    (row,) = [row for row in section.rows if row.specializer]
    assert row.cells[0] is not None
    assert row.cells[0].makes == (0, 1, 2)
    assert any("the mean of 3 makes" in note for note in board.notes)


def test_the_first_make_is_the_model_that_is_made_once(workspace: Workspace) -> None:
    once = run(workspace, "caster-tiny")
    again = run(workspace, "caster-tiny", makes=2)
    assert again[0].folder == once[0].folder
    assert again[0].items == once[0].items
    assert len(workspace.records()) == 2


@pytest.mark.parametrize(
    ("models", "of", "message"),
    [
        ("tiny,steady-tiny", "all", "nothing in the making of steady is random"),
        ("tiny,rag-tiny", "all", "nothing in the making of rag is random"),
        ("caster-tiny", "training", "caster trains no weights"),
        ("caster-tiny+0123abcd", "all", "is one artifact that is there already"),
    ],
)
def test_what_cannot_be_made_twice_is_told_before_anything_is_run(
    workspace: Workspace, models: str, of: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message.replace("+", r"\+")):
        run(workspace, models, makes=2, makes_of=of)
    assert not list(workspace.out.glob("runs/*/*"))


def test_no_make_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", "--models", "a", "--tasks", "b", "--makes", "0"])
    assert stopped.value.code == 2
    assert "'0': expected a whole number, 1 or more" in capsys.readouterr().err


def test_makes_of_training_keep_the_seed_of_the_data() -> None:
    from specializers.controls.seedsft import SeedSft

    plugin = SeedSft()
    params = plugin.budgets["tiny"]
    assert seeded(plugin, params, 2, "training") == {**params, "training_seed": params["seed"] + 2}
    assert seeded(plugin, params, 0, "training") == params


@pytest.mark.parametrize("name", ["seedsft", "readcomp", "dapt", "selfspec", "generic"])
def test_makes_of_training_are_trained_on_the_same_data_with_another_seed(
    workspace: Workspace, name: str
) -> None:
    small = ("steps=2", "examples=4", "max_calls=4", "gate_seeds=0", "replay=0", "holdout=0")
    known = workspace.registry.specializer(name).budgets["tiny"]
    settings = tuple(text for text in small if text.partition("=")[0] in known)
    records = run(workspace, f"{name}-tiny", makes=2, makes_of="training", settings=settings)
    one, other = (workspace.out / "artifacts").glob(f"{name}-tiny-*")
    assert (one / "data.jsonl").read_bytes() == (other / "data.jsonl").read_bytes()
    weights = "adapter/adapter_model.safetensors"
    assert (one / weights).read_bytes() != (other / weights).read_bytes()
    assert {record.manifest.get("makes_of") for record in records} == {None, "training"}
