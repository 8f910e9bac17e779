"""docs/api.md is what the docstrings say now, and shows every contract of plug-ins."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

from harness import types

ROOT = Path(__file__).parents[1]


def test_the_page_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "api_reference.py"))
    page = script["page"]()
    assert page == script["PAGE"].read_text(encoding="utf-8"), "run 'python docs/api_reference.py'"


def test_every_noun_and_contract_is_on_it() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    own = [
        n for n, c in inspect.getmembers(types, inspect.isclass) if c.__module__ == types.__name__
    ]
    assert {"Specializer", "BaseModel", "Record"} <= set(own)
    assert [name for name in own if f"### {name}\n" not in page] == []
