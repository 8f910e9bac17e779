"""Names at their bounds: every path that is made of them fits in a file system's names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import cli
from bench.api import board, run
from bench.workspace import MADE, Recipe, Workspace
from harness.checks import _PART_BYTES, _WHOLE_BYTES, is_plain_name, name_fault, name_faults
from harness.errors import UserError, UserErrors
from harness.files import fitting, open_beside
from harness.models.places import read_place
from harness.types import ModelSpec
from tests.bench.test_makes import Caster
from tests.bench.tiny import work_in

MOST = 255  # bytes of a name, of ext4, APFS and NTFS alike
MODEL, SPECIALIZER, DOMAIN = (
    letter * _PART_BYTES[kind]
    for letter, kind in (("m", "models"), ("s", "specializers"), ("d", "domains"))
)
TASK = "t" * _WHOLE_BYTES


class Long(Caster):
    name = SPECIALIZER


def parts(folder: Path) -> Iterator[str]:
    """Every name below a folder."""
    for path in folder.rglob("*"):
        yield path.name


def test_a_whole_name_of_the_longest_parts_is_a_plain_name() -> None:
    whole = f"{SPECIALIZER}@{DOMAIN}-{MODEL}{MADE}{'0' * 8}"
    assert is_plain_name(whole)
    assert not is_plain_name(whole + "xx")


@pytest.mark.parametrize("kind", [*_PART_BYTES, "suites", "boards"])
def test_a_name_beyond_its_bound_is_refused_where_it_is_given(kind: str) -> None:
    most = _PART_BYTES.get(kind, _WHOLE_BYTES)
    assert name_fault(kind, "a" * most) == ""
    (fault,) = name_faults(Path("bench.toml"), kind, "a" * (most + 1))
    assert f"of {most + 1} letters; expected letters, digits" in fault
    assert f", at most {most}. Rename it." in fault


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_a_file_in_the_making_and_an_exported_one_have_room(name: str) -> None:
    long = (name * 300)[:255]
    assert len(fitting(long).encode()) <= 200
    assert fitting(name) == name or len(name.encode()) > 200
    assert fitting(long + "a") != fitting(long + "b") or len((long + "a").encode()) <= 200


def test_a_temporary_name_of_letters_of_three_bytes_fits(tmp_path: Path) -> None:
    handle, path = open_beside(tmp_path / ("木" * 80 + ".json"))
    open(handle, "rb").close()
    assert len(path.name.encode()) <= MOST


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    work_in(tmp_path, monkeypatch)
    assert cli.main(["new", "domain", DOMAIN]) == 0
    text = Path("bench.toml").read_text().replace("[models.tiny]", f"[models.{MODEL}]")
    Path("bench.toml").write_text(text)
    rows = "\n".join(f'{{"input": "Is {n} odd?", "target": "{n % 2}"}}' for n in range(12))
    Path("rows.jsonl").write_text(rows)
    assert cli.main(["new", "suite", "own", "--task", TASK, "--from", "rows.jsonl"]) == 0
    found = Workspace(tmp_path / "out")
    found.register(Long())
    return found


def test_all_that_a_run_and_its_boards_make_of_the_longest_names_fits(
    workspace: Workspace, tmp_path: Path
) -> None:
    whole = f"{SPECIALIZER}@{DOMAIN}-{MODEL}"
    found = run(
        [MODEL, whole], TASK, limit=4, recipe=Recipe(makes=2), workspace=workspace, shots=(0, 1)
    )
    assert {record.manifest["model"] for record in found.records} == {MODEL, whole}
    made = board(found, workspace=workspace)
    assert made
    out = ["--out", "out"]
    assert cli.main(["explain", whole, "--task", TASK, *out]) == 0
    assert cli.main(["board", "publish", "--to", "published", *out]) == 0
    for form in ("every-eval-ever", "lm-eval", "eval-results"):
        more = ["--dataset", "own/rows"] if form == "eval-results" else []
        assert cli.main(["board", "export", "--format", form, "--to", form, *out, *more]) == 0
    # What is added to a whole name, and to a task's: of what lies there, locks with it.
    for name in (f"{SPECIALIZER}-{MODEL}", TASK):
        added = max(len(part) - len(name) for part in parts(tmp_path) if name in part)
        assert 0 < added <= MOST - _WHOLE_BYTES
    assert max(len(part.encode()) for part in parts(tmp_path)) <= MOST


@pytest.mark.parametrize("kind", ["models", "domains"])
def test_a_longer_name_is_refused_before_anything_is_made(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    text = Path("bench.toml").read_text()
    name = {"models": MODEL, "domains": DOMAIN}[kind]
    Path("bench.toml").write_text(text.replace(name, name + "x"))
    assert cli.main(["run", "--models", "smollm2", "--tasks", TASK, "--out", "new"]) == 2
    assert f"{kind}: found the name" in capsys.readouterr().err
    assert not Path("new").exists()


def test_a_program_and_a_place_are_told_as_well(workspace: Workspace, tmp_path: Path) -> None:
    long: Any = Long()
    long.name = "s" * 200
    with pytest.raises(UserErrors, match=r"of 200 letters; expected .*, at most 46"):
        workspace.register(long)
    with pytest.raises(UserErrors, match=r"of 200 letters; expected .*, at most 96"):
        workspace.register(ModelSpec("m" * 200, "path:tiny"))
    place = tmp_path / ("p" * 120)
    shutil.copytree("tiny", place)
    with pytest.raises(UserError, match=r"of 120 letters.*Give it one: NAME="):
        read_place(str(place))
    assert read_place(f"short={place}").name == "short"
