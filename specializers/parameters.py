"""A specializer's parameters, checked once at the boundary.

Budgets are flat mappings of named values. A stage takes what it names as a
frozen dataclass, so its functions have plain typed attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from harness.artifacts.makes import TRAINING_SEED
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
# The most of those that are shares or probabilities; every other number has no bound.
MOST: Mapping[str, float] = {
    **dict.fromkeys(("vote_share", "label_share", "long_share", "mined_share", "cover"), 1),
    **dict.fromkeys(("agreement_share", "agreement_rouge", "label_margin", "duplicates"), 1),
    **dict.fromkeys(("novelty_threshold", "semantic_threshold", "top_p", "task_top_p"), 1),
    **dict.fromkeys(("demonstrated", "replay", "lora_dropout", "gate_least"), 1),
    "holdout": 0.5,  # what is held out is not trained on
}


def check(
    specializer: str,
    params: Mapping[str, Any],
    reference: Mapping[str, Any],
    choices: Mapping[str, tuple[str, ...]],
) -> None:
    """Compare `params` with a budget that names every parameter (the seed of a further make's
    training alone is the harness's own).

    Raises:
        UserErrors: each unknown or missing name, each value of another type than
            in `reference`, each text outside its `choices`, each number below its least (`LEAST`)
            or above its most (`MOST`).
    """
    faults = [
        f"{specializer}: unknown parameter '{name}'.{did_you_mean(name, reference)}"
        for name in params.keys() - reference.keys() - {TRAINING_SEED}
    ]
    faults += [f"{specializer}: parameter '{n}' is missing." for n in reference.keys() - params]
    for name in sorted(params.keys() & reference.keys()):
        bounds = LEAST.get(name, 0), MOST.get(name, math.inf)
        faults += _value_faults(f"{specializer}: {name}", params[name], reference[name], bounds)
        if name in choices and params[name] not in choices[name]:
            faults.append(
                f"{specializer}: {name} is {params[name]!r}, expected one of "
                f"{', '.join(choices[name])}."
            )
    if faults:
        raise UserErrors(sorted(faults))


def _value_faults(where: str, found: Any, like: Any, bounds: tuple[float, float]) -> list[str]:
    least, most = bounds
    # bool is an int in Python; an int is a fine float.
    wanted: type | tuple[type, ...] = (int, float) if isinstance(like, float) else type(like)
    if not isinstance(found, wanted) or isinstance(found, bool) != isinstance(like, bool):
        return [f"{where} is {found!r}, expected a value like {like!r}."]
    if isinstance(found, (int, float)) and not (least <= found <= most and found < math.inf):
        expected = f"{least} or more" if most == math.inf else f"{least} to {most}"
        return [f"{where} is {found!r}, expected {expected}."]
    return []


def take(cls: type[T], params: Mapping[str, Any]) -> T:
    """Build the dataclass `cls` from the parameters that bear its fields' names.

    A field with a default may be missing among them.
    """
    named = [f.name for f in fields(cls) if f.name in params or f.default is MISSING]  # type: ignore[arg-type]
    return cls(**{name: params[name] for name in named})
