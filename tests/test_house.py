"""The house is as its documents draw it: arrows run down, every file has a phrase and a room."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
MOST_FILES = 15


@pytest.fixture(scope="module")
def house() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house_map", ROOT / "docs" / "house_map.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_import_between_packages_runs_up(house: ModuleType) -> None:
    assert house.imports()["bench", "harness"] > 0
    assert house.upward() == []


def test_the_map_and_the_list_are_those_of_the_code(house: ModuleType) -> None:
    assert (ROOT / "docs" / "map.svg").read_text(encoding="utf-8") == house.drawn(), "make docs"
    assert (ROOT / "docs" / "files.md").read_text(encoding="utf-8") == house.listed(), "make docs"


def test_every_file_says_what_it_is(house: ModuleType) -> None:
    silent = [
        path
        for package in house.PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if house.says(path) == "(empty)" and path.read_text(encoding="utf-8").strip()
    ]
    assert silent == []


def test_no_folder_of_code_is_a_corridor(house: ModuleType) -> None:
    folders = {path.parent for p in house.PACKAGES for path in (ROOT / p).rglob("*.py")}
    crowded = {
        f: len(list(f.glob("*.py"))) for f in folders if len(list(f.glob("*.py"))) > MOST_FILES
    }
    assert crowded == {}


def test_the_architecture_names_every_room(house: ModuleType) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent for p in house.PACKAGES for path in (ROOT / p).rglob("__init__.py")}
    for room in sorted(rooms):
        assert re.search(rf"\b{room.name}/", text), f"{room} is not in docs/architecture.md"
