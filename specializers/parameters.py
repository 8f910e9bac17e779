"""A specializer's parameters, checked once at the boundary.

Budgets are flat mappings of named values. A stage takes what it names as a
frozen dataclass, so its functions have plain typed attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from harness.errors import UserErrors, did_you_mean

T = TypeVar("T")


def check(
    specializer: str,
    params: Mapping[str, Any],
    reference: Mapping[str, Any],
    choices: Mapping[str, tuple[str, ...]],
) -> None:
    """Compare `params` with a budget that names every parameter.

    Raises:
        UserErrors: each unknown or missing name, each value of another type than
            in `reference`, each text outside its `choices`, each negative number.
    """
    faults = [
        f"{specializer}: unknown parameter '{name}'.{did_you_mean(name, reference)}"
        for name in params.keys() - reference.keys()
    ]
    faults += [f"{specializer}: parameter '{n}' is missing." for n in reference.keys() - params]
    for name in sorted(params.keys() & reference.keys()):
        faults += _value_faults(f"{specializer}: {name}", params[name], reference[name])
        if name in choices and params[name] not in choices[name]:
            faults.append(
                f"{specializer}: {name} is {params[name]!r}, expected one of "
                f"{', '.join(choices[name])}."
            )
    if faults:
        raise UserErrors(sorted(faults))


def _value_faults(where: str, found: Any, like: Any) -> list[str]:
    # bool is an int in Python; an int is a fine float.
    wanted: type | tuple[type, ...] = (int, float) if isinstance(like, float) else type(like)
    if not isinstance(found, wanted) or isinstance(found, bool) != isinstance(like, bool):
        return [f"{where} is {found!r}, expected a value like {like!r}."]
    if isinstance(found, (int, float)) and found < 0:
        return [f"{where} is {found!r}, expected 0 or more."]
    return []


def take(cls: type[T], params: Mapping[str, Any]) -> T:
    """Build the dataclass `cls` from the parameters that bear its fields' names."""
    return cls(**{field.name: params[field.name] for field in fields(cls)})  # type: ignore[arg-type]
