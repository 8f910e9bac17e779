"""What holds for every specializer, so that a new one is covered unasked.

They are those `bench` itself sees: built in and installed. tests/test_thirdparty.py
runs this file again in an environment with a package of somebody else's.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.config import Config
from bench.plugins import open_registry
from harness.artifacts.make import parameters
from harness.contract import specializer_faults

REGISTRY = open_registry(Config())
NAMES = REGISTRY.names("specializers")
BUDGETS = [
    (name, budget) for name in NAMES for budget in sorted(REGISTRY.specializer(name).budgets)
]


def test_the_built_in_ones_are_there() -> None:
    assert {"selfspec", "seedsft", "generic", "dapt", "rag"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_contract(name: str) -> None:
    assert specializer_faults(REGISTRY.specializer(name), name) == []


@pytest.mark.parametrize("name", NAMES)
def test_its_version_and_summary_tell_something(name: str) -> None:
    plugin = REGISTRY.specializer(name)
    assert plugin.version >= 1
    assert plugin.summary.strip()
    assert "\n" not in plugin.summary


@pytest.mark.parametrize("name", NAMES)
def test_one_that_rewrites_prompts_can(name: str) -> None:
    plugin: Any = REGISTRY.specializer(name)
    assert (plugin.kind == "prompt") == callable(getattr(plugin, "rewrite_input", None))


@pytest.mark.parametrize("name", NAMES)
def test_every_budget_names_the_same_parameters(name: str) -> None:
    names = {frozenset(params) for params in REGISTRY.specializer(name).budgets.values()}
    assert len(names) == 1


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_budget_a_command_takes_unasked(name: str) -> None:
    assert "tiny" in REGISTRY.specializer(name).budgets


@pytest.mark.parametrize(("name", "budget"), BUDGETS)
def test_a_budget_is_plain_values_that_the_command_line_can_set(name: str, budget: str) -> None:
    plugin = REGISTRY.specializer(name)
    params = dict(plugin.budgets[budget])
    assert json.loads(json.dumps(params)) == params
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in params.items()}
    assert parameters(plugin, budget, texts) == params
