"""Values of another kind are told before a workspace is opened or a model is loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import api
from harness.types import ModelSpec
from specializers.controls.rag import Rag

NUMBERS = st.one_of(st.integers(max_value=0), st.booleans(), st.floats(), st.text())
NO_NAMES = st.sampled_from([None, 3, "", " , ", [], (), [None], ["a", 3]])
NO_RECIPE = st.sampled_from([None, "tiny", {}, 3])
NO_FLAG = st.sampled_from([None, 0, 1, "yes"])
NO_TEXT = st.sampled_from([None, 1, b"a", []])
ASKED = {
    "shots": st.sampled_from([-1, True, 1.0, "5", None, [0, -1], [0, "5"], {0}]),
    "limit": NUMBERS,
    "draws": NUMBERS,
    "wordings": NUMBERS,
    "wording": NO_TEXT,
    "wording_items": NUMBERS,
    "chat": st.sampled_from([None, True, "", "ON", "yes"]),
    "bits": NO_FLAG,
    "recipe": NO_RECIPE,
    "workspace": st.sampled_from(["here", Path("here"), {}]),
}
WRONG = {
    "run": {
        **ASKED,
        "models": NO_NAMES,
        "tasks": NO_NAMES,
        "floors": NO_FLAG,
        "executor": st.sampled_from([None, "", "slurm"]),
        "address": NO_TEXT,
        "storage": NO_TEXT,
    },
    "plan": {
        **ASKED,
        "models": NO_NAMES,
        "tasks": NO_NAMES,
        "devices": NO_TEXT,
        "throughput": NO_TEXT,
        "measure": NO_FLAG,
    },
    "sweep": {
        **ASKED,
        "tasks": NO_NAMES,
        "specializer": st.sampled_from([None, "", 3]),
        "model": st.sampled_from([None, "", ["smollm2"]]),
        "vary": st.sampled_from([None, {}, "a=1,2", {"a": 3}, {"a": "1,2"}, {"a": [1], "b": [2]}]),
        "split": st.sampled_from([None, "", "dev"]),
        "name": NO_TEXT,
    },
}
RIGHT = {
    "run": {"models": "smollm2", "tasks": "mini_yesno"},
    "plan": {"models": "smollm2", "tasks": "mini_yesno"},
    "sweep": {
        "specializer": "selfspec",
        "model": "smollm2",
        "tasks": "mini_yesno",
        "vary": {"examples": [1, 2]},
    },
}


@pytest.fixture(autouse=True)
def nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "default_workspace", None)


@pytest.mark.parametrize("function", WRONG)
@given(data=st.data())
def test_all_wrong_values_are_told_together(function: str, data: st.DataObject) -> None:
    wrong = data.draw(st.sets(st.sampled_from(sorted(WRONG[function])), min_size=1))
    values = {name: data.draw(WRONG[function][name], label=name) for name in sorted(wrong)}
    with pytest.raises(bench.UserError) as caught:
        getattr(bench, function)(**{**RIGHT[function], **values})
    lines = str(caught.value).splitlines()
    assert {line.partition(": found ")[0] for line in lines} == wrong
    assert all("; expected " in line for line in lines)


@given(
    makes=NUMBERS,
    makes_of=st.sampled_from([None, "", "data"]),
    settings=st.sampled_from([None, "a=1", ["a=1"], (1,)]),
)
def test_a_recipe_tells_what_it_is_not_made_of(makes, makes_of, settings) -> None:
    with pytest.raises(bench.UserError) as caught:
        bench.Recipe(budget=None, makes=makes, makes_of=makes_of, settings=settings)
    told = {line.partition(":")[0] for line in str(caught.value).splitlines()}
    assert told == {"budget", "makes", "makes_of", "settings"}


def test_a_recipe_takes_its_corpus_as_text() -> None:
    assert bench.Recipe(corpus="a/b.jsonl") == bench.Recipe(corpus=Path("a/b.jsonl"))
    assert dataclasses.replace(bench.Recipe(corpus="a"), makes=2).corpus == Path("a")


@pytest.fixture
def workspace(tmp_path: Path) -> bench.Workspace:
    (tmp_path / "bench.toml").write_text("")
    return bench.Workspace(tmp_path / "out", config=tmp_path / "bench.toml")


class NoVersion(Rag):
    name = "noversion"
    version = "1"


class BadName(Rag):
    name = "a/b"


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (object(), "expected a specializer or a harness.types.ModelSpec"),
        (Rag, "the class Rag"),
        (NoVersion(), "version: found '1' (str); expected a whole number"),
        (BadName(), "found the name 'a/b'; expected letters"),
        (
            ModelSpec("../up", "path:tiny", "base", "", ""),
            "found the name '../up'; expected letters",
        ),
        (Rag(), "the name 'rag' was found twice"),
    ],
)
def test_what_is_no_plug_in_is_not_registered(workspace, plugin, words: str) -> None:
    before = workspace.added
    with pytest.raises(bench.UserError) as caught:
        bench.register(plugin, workspace=workspace)
    assert words in str(caught.value)
    assert workspace.added == before


def test_a_suite_has_a_name_of_its_own_and_tasks(workspace, tmp_path: Path) -> None:
    for name in ("one", "two", "empty"):
        (tmp_path / name).mkdir()
    for name in ("one", "two"):
        (tmp_path / name / "a.yaml").write_text("task: a\n")
    for name, folder, words in [
        ("cardio", "nowhere", "is no folder"),
        ("cardio", "empty", "holds no .yaml"),
        ("../cardio", "one", "expected letters"),
        ("biomed-mini", "one", "is there already"),
    ]:
        with pytest.raises(bench.UserError, match=words):
            bench.register_suite(name, tmp_path / folder, workspace=workspace)
    bench.register_suite("cardio", tmp_path / "one", workspace=workspace)
    bench.register_suite("cardio", tmp_path / "one", workspace=workspace)  # a cell run twice
    with pytest.raises(bench.UserError, match=r"is there already, in .*one"):
        bench.register_suite("cardio", tmp_path / "two", workspace=workspace)


def test_a_workspace_tells_a_file_in_its_place_and_unknown_numerics(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(bench.UserError, match="out: a file; expected the folder of results"):
        bench.Workspace(tmp_path / "out")
    with pytest.raises(bench.UserError, match="dtype: found 'int3'; expected one of"):
        bench.Workspace(tmp_path, dtype="int3")
