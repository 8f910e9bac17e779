"""Every row of the table: what happens is what it says, and the numbers are those of a fresh start.

After each change the run in the old folder of results, with the old cache, must leave the very
bytes that a run in a new folder with a new cache leaves.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from lm_eval.api.task import TaskConfig

from bench.scoring import Asking
from bench.workspace import Recipe
from harness.errors import UserError
from harness.identity import content
from harness.models.served import ServerSpec
from harness.types import Domain, ModelSpec, Record, Seed
from tasks.cards import Card
from tests.identity.change import made, models, servers, tasks
from tests.identity.change.project import Project, make_project
from tests.identity.change.row import (
    ANEW,
    ASKED,
    BESIDE,
    KEPT,
    NEW,
    PLACE,
    SAME,
    STORED,
    Row,
)

ROWS = (
    *models.FILES, *models.SPEC, *models.ASKING,
    *tasks.KEYS, *tasks.ROWS, *tasks.CARDS, *made.MADE, *servers.SERVED,
)  # fmt: skip


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project after a first run of all models that rows begin with."""
    home = tmp_path_factory.mktemp("change")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("BENCH_CACHE", str(home / "cache"))
        patch.delenv("BENCH_OUT", raising=False)
        patch.delenv("BENCH_DATA", raising=False)
        # A digest is remembered from the first look on: harder on it than two seconds later.
        patch.setattr(content, "SETTLED", 0.0)
        # Suites of this project are not of this one, and take time to find.
        patch.setattr("bench.plugins._folders", lambda package, pattern: {})
        project = make_project(home)
        both = servers.Servers()
        servers.add_served(project, both)
        for name in ("m", "l", "toy-m", "far"):
            project.run([name])
        yield project
        both.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_change(row: Row, warm: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    out = warm.path("row")
    shutil.copytree(warm.path("out"), out)
    before = records_in(out, row.models)
    try:
        row.change(warm)
        names = row.then or row.models
        if row.refused:
            with pytest.raises(UserError) as caught:
                warm.run(names, "row")
            assert row.refused in str(caught.value)
            return
        used = warm.run(names, "row")
        monkeypatch.setenv("BENCH_CACHE", str(warm.path("fresh_cache")))
        fresh = warm.run(names, "fresh")
        if row.keeps:
            assert [but(r, row.keeps) for r in used] == [but(r, row.keeps) for r in fresh]
            assert sealed(used[0]) != sealed(fresh[0])
        else:
            assert [sealed(record) for record in used] == [sealed(record) for record in fresh]
        happened = (answers(used, fresh), shown(before, used), artifact(before, used))
        assert happened == (row.answers, row.record, row.made)
    finally:
        monkeypatch.setenv("BENCH_CACHE", str(warm.path("cache")))
        warm.undo()
        for folder in ("row", "fresh", "fresh_cache"):
            shutil.rmtree(warm.path(folder), ignore_errors=True)


def records_in(out: Path, names: Sequence[str]) -> dict[Path, bytes]:
    return {
        path: path.read_bytes() for name in names for path in out.glob(f"runs/{name}/*/record.json")
    }


def sealed(record: Record) -> tuple[bytes, bytes]:
    assert record.folder is not None
    return tuple((record.folder / n).read_bytes() for n in ("record.json", "items.jsonl"))  # type: ignore[return-value]


def but(record: Record, keys: Sequence[str]) -> Record:
    """A record without what differs between any two runs, and without some facts."""
    left_out = {"engine_report", *keys}
    facts = {key: value for key, value in record.manifest.items() if key not in left_out}
    return dataclasses.replace(record, manifest=facts)


def answers(used: Sequence[Record], fresh: Sequence[Record]) -> str:
    """How much was asked of the model, against a run that has nothing."""
    mine, all_of_them = (
        sum(
            r.manifest["engine_report"]["asked"] - r.manifest["engine_report"]["reused"]
            for r in records
        )
        for records in (used, fresh)
    )
    return STORED if not mine else ASKED if mine == all_of_them else NEW


def shown(before: dict[Path, bytes], used: Sequence[Record]) -> str:
    """Where the records of the second run lie, and what became of the first's."""
    places = [record.folder / "record.json" for record in used if record.folder]
    if all(before.get(path) == path.read_bytes() for path in places):
        return SAME
    stay = all(path.read_bytes() == text for path, text in before.items())
    return BESIDE if stay else PLACE


def artifact(before: dict[Path, bytes], used: Sequence[Record]) -> str:
    made_of = {record.manifest["artifact"] for record in used} - {""}
    if not made_of:
        return ""
    return (
        KEPT if all(name.encode() in text for name in made_of for text in before.values()) else ANEW
    )


def test_every_field_stands_on_a_side() -> None:
    """A new field fails here until the table says what follows where it is changed."""
    stated = {row.of for row in ROWS} - {""}
    stated |= {*models.BY_NUMERICS, *models.NO_SETTING, *tasks.ELSEWHERE, *tasks.NOT_ALONE}
    stated |= made.COMPUTED
    fields = {
        f"{kind.__name__}.{field.name}"
        for kind in (ModelSpec, TaskConfig, Card, Domain, Seed, ServerSpec, Asking, Recipe)
        for field in dataclasses.fields(kind)
    }
    assert stated == fields


@pytest.mark.parametrize("of", models.BY_NUMERICS)
def test_settings_of_other_machines_count_by_the_engines_numerics(of: str, warm: Project) -> None:
    from harness.engines.hf.engine import HFEngine

    values, counts = models.BY_NUMERICS[of]
    plain, changed = (HFEngine(warm.path("model"), **more).numerics for more in ({}, values))
    assert (plain != changed) is counts
