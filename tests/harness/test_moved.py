"""Places that were left in 0.2 are answered with the new place, for one release."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import harness

TABLE = tomllib.loads(Path(harness.__file__).with_name("moved.toml").read_text(encoding="utf-8"))
MODULES, NAMES, RENAMED = TABLE["modules"], TABLE["names"], TABLE["renamed"]


@pytest.mark.parametrize("old", MODULES)
def test_a_module_that_moved_names_its_new_place(old: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"{old} is in {MODULES[old]} since 0.2"):
        importlib.import_module(old)
    for new in MODULES[old].split(", "):
        importlib.import_module(new)


@pytest.mark.parametrize("old", NAMES)
def test_a_name_that_moved_is_still_there_or_names_its_new_place(old: str) -> None:
    module, _, name = old.rpartition(".")
    new = importlib.import_module(NAMES[old])
    assert hasattr(new, name)
    taken = told(f"from {module} import {name}")
    assert taken in ("", f"{old} is in {NAMES[old]} since 0.2")


@pytest.mark.parametrize("old", RENAMED)
def test_a_name_that_became_another_names_it(old: str) -> None:
    module, _, name = old.rpartition(".")
    new_module, _, new = RENAMED[old].rpartition(".")
    assert hasattr(importlib.import_module(new_module), new)
    assert told(f"from {module} import {name}") == f"{old} is {RENAMED[old]} since 0.2"


def told(statement: str) -> str:
    """The message of an import that fails; "" where it does not."""
    try:
        exec(statement, {})
    except ImportError as error:
        return str(error)
    return ""


def test_a_name_that_never_was_is_an_ordinary_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'harness\.never'"):
        importlib.import_module("harness.never")
    with pytest.raises(ImportError, match="cannot import name 'never'"):
        exec("from harness.suites import never", {})
    with pytest.raises(AttributeError, match="has no attribute 'never'"):
        importlib.import_module("leaderboards.gather").never  # noqa: B018


@pytest.mark.parametrize("old", ["leaderboards.columns", "specializers.rag", "harness.cli"])
def test_it_is_answered_in_a_program_that_imports_nothing_else(old: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {old}"], text=True, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert f"ModuleNotFoundError: {old} is in {MODULES[old]} since 0.2" in done.stderr


def test_the_old_command_line_names_the_new_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli"], text=True, capture_output=True, check=False
    )
    assert done.returncode != 0
    assert "harness.cli is in bench.cli since 0.2" in done.stderr
