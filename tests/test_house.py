"""The house is as its documents draw it: arrows run down, every file has a phrase and a room."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections import defaultdict
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


def test_a_room_exports_what_others_use_of_it_and_no_more(house: ModuleType) -> None:
    rooms, used = _rooms(house), _used(house)
    for room in rooms - {"bench"}:  # the roof exports functions: nothing stands on it
        exported = set(getattr(importlib.import_module(room), "__all__", ()))
        told = f"__all__ of {room}/__init__.py, of what code and documents elsewhere use"
        assert exported == used[room], f"{told}: {sorted(exported ^ used[room])}"


def _rooms(house: ModuleType) -> set[str]:
    inits = (path for p in house.PACKAGES for path in (ROOT / p).rglob("__init__.py"))
    return {".".join(path.parent.relative_to(ROOT).parts) for path in inits}


def _used(house: ModuleType) -> dict[str, set[str]]:
    """Room -> its files, and names of its `__init__`, that are used from outside it.

    Inside are the room's own files and those of the rooms within it. Used is what code imports,
    what a string names as `module:Name`, and what a document or a suite's YAML names.
    """
    rooms = _rooms(house)
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in house.PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.stem[:2] != "__"
    }
    used: dict[str, set[str]] = defaultdict(set)

    def uses(user: str, name: str) -> None:
        room, _, inside = name.rpartition(".")
        if room in rooms and name not in rooms and f"{user}.".find(f"{room}.") != 0:
            used[room].add(inside)

    for package in house.PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            user = ".".join(path.parent.relative_to(ROOT).parts)
            if path.suffix == ".py":
                for name in _named(ast.parse(path.read_text(encoding="utf-8")), files):
                    uses(user, name)
            elif path.suffix == ".yaml":
                for name in files & set(_DOTTED.findall(path.read_text(encoding="utf-8"))):
                    uses(user, name)
    for page in (ROOT / "docs").glob("*.md"):
        for name in _DOTTED.findall(page.read_text(encoding="utf-8")):
            if name in files:
                uses("", name)
    return used


_DOTTED = re.compile(r"\b(?:harness|leaderboards|specializers|tasks)(?:\.[a-z_0-9]+)+\b(?!\.[a-z])")


def _named(tree: ast.Module, files: set[str]) -> set[str]:
    """The modules that code names, and names that it takes from a room's `__init__`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            own = node.module in files
            found |= {node.module} if own else {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= files & {node.value.partition(":")[0]}
    return found
