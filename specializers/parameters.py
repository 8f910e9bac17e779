"""A specializer's parameters, checked once at the boundary.

Budgets are flat mappings of named values. A stage takes what it names as a
frozen dataclass, so its functions have plain typed attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from harness.errors import UserErrors, did_you_mean

T = TypeVar("T")

# The least that makes sense of a parameter of this name; every other number is 0 or more.
LEAST: Mapping[str, int] = {
    **dict.fromkeys(("batch", "micro_batch", "epochs", "lora_rank", "lora_alpha"), 1),
    **dict.fromkeys(("checkpoint_steps", "examples", "max_calls", "calls_per_round"), 1),
    **dict.fromkeys(("instruction_tokens", "response_tokens", "responses_per_round"), 1),
    **dict.fromkeys(("evaluations", "patience", "teacher_shots"), 1),
    "rounds": 1,
    "max_length": 2,
}


def check(
    specializer: str,
    params: Mapping[str, Any],
    reference: Mapping[str, Any],
    choices: Mapping[str, tuple[str, ...]],
) -> None:
    """Compare `params` with a budget that names every parameter.

    Raises:
        UserErrors: each unknown or missing name, each value of another type than
            in `reference`, each text outside its `choices`, each number below its least (`LEAST`).
    """
    faults = [
        f"{specializer}: unknown parameter '{name}'.{did_you_mean(name, reference)}"
        for name in params.keys() - reference.keys()
    ]
    faults += [f"{specializer}: parameter '{n}' is missing." for n in reference.keys() - params]
    for name in sorted(params.keys() & reference.keys()):
        lowest = LEAST.get(name, 0)
        faults += _value_faults(f"{specializer}: {name}", params[name], reference[name], lowest)
        if name in choices and params[name] not in choices[name]:
            faults.append(
                f"{specializer}: {name} is {params[name]!r}, expected one of "
                f"{', '.join(choices[name])}."
            )
    if faults:
        raise UserErrors(sorted(faults))


def _value_faults(where: str, found: Any, like: Any, least: int) -> list[str]:
    # bool is an int in Python; an int is a fine float.
    wanted: type | tuple[type, ...] = (int, float) if isinstance(like, float) else type(like)
    if not isinstance(found, wanted) or isinstance(found, bool) != isinstance(like, bool):
        return [f"{where} is {found!r}, expected a value like {like!r}."]
    if isinstance(found, (int, float)) and not (least <= found < math.inf):
        return [f"{where} is {found!r}, expected {least} or more."]
    return []


def take(cls: type[T], params: Mapping[str, Any]) -> T:
    """Build the dataclass `cls` from the parameters that bear its fields' names.

    A field with a default may be missing among them.
    """
    named = [f.name for f in fields(cls) if f.name in params or f.default is MISSING]  # type: ignore[arg-type]
    return cls(**{name: params[name] for name in named})
