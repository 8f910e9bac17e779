"""Does a plug-in keep the contract of `harness.types.Specializer`? If not, in which points."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from harness.types import Specializer


def specializer_faults(plugin: Any, name: str) -> list[str]:
    """Where `plugin` breaks the contract `harness.types.Specializer`, one line each."""
    faults = []
    wanted = {
        "name": (str, "a string"),
        "version": (int, "a whole number"),
        "summary": (str, "a string"),
        "budgets": (Mapping, "a mapping of budget name to parameters"),
    }
    for key, (kind, told) in wanted.items():
        if not isinstance(getattr(plugin, key, None), kind):
            faults.append(f"{key}: found {shown(getattr(plugin, key, None))}; expected {told}")
    if getattr(plugin, "name", name) != name:
        faults.append(f"name: found '{plugin.name}'; expected '{name}', as it is registered")
    if getattr(plugin, "kind", None) not in ("adapter", "prompt"):
        faults.append(
            f"kind: found {shown(getattr(plugin, 'kind', None))}; expected 'adapter' or 'prompt'"
        )
    budgets = getattr(plugin, "budgets", None)
    if isinstance(budgets, Mapping):
        faults += [
            f"budgets: '{budget}' is {shown(params)}; expected a mapping of parameters"
            for budget, params in budgets.items()
            if not isinstance(params, Mapping)
        ]
        if not budgets:
            faults.append("budgets: empty; expected at least one")
    specialize = getattr(plugin, "specialize", None)
    if not callable(specialize):
        faults.append("specialize: missing; expected a method")
    else:
        expected = list(inspect.signature(Specializer.specialize).parameters)[1:]
        found = list(inspect.signature(specialize).parameters)
        if found != expected:
            faults.append(f"specialize({', '.join(found)}); expected ({', '.join(expected)})")
    return faults


def shown(value: Any) -> str:
    """A value and its type, as a message shows it."""
    return "nothing" if value is None else f"{value!r} ({type(value).__name__})"
