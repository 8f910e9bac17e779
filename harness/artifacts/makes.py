"""Several makes of one specialised model: the same recipe with other seeds.

A model that was trained once tells nothing of how far another training would have taken it.
Make 0 is the recipe as it stands; make 3 has its seed raised by 3, for data and training
or, of `training` alone, for training on make 0's data. Each is an artifact of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from harness.errors import UserError
from harness.types import Specializer

MakesOf = Literal["all", "training"]
SEED, TRAINING_SEED = "seed", "training_seed"


def seeded(
    specializer: Specializer, params: Mapping[str, Any], make: int, of: MakesOf
) -> dict[str, Any]:
    """The parameters of one make.

    Raises:
        UserError: nothing in the making of this specializer is random, or not what `of` says.
    """
    if not make:
        return dict(params)
    if fault := fixed(specializer, params, of):
        raise UserError(fault)
    key = SEED if of == "all" else TRAINING_SEED
    return {**params, key: int(params[SEED]) + make}


def fixed(specializer: Specializer, params: Mapping[str, Any], of: MakesOf) -> str:
    """Why a specializer has no several makes; "" where it has."""
    if SEED not in params:
        return (
            f"--makes: nothing in the making of {specializer.name} is random (it has no parameter "
            f"'{SEED}'), so every make would be the same. Run its models without --makes."
        )
    if of == "training" and specializer.kind != "adapter":
        return (
            f"--makes-of training: {specializer.name} trains no weights. Leave --makes-of out, or "
            "run its models without --makes."
        )
    return ""


def facts(make: int, of: MakesOf, first: str) -> dict[str, Any]:
    """What the manifest of a further make says: which it is, and of which artifact the first.

    Args:
        first: the digest of make 0.
    """
    return {"make": make, "makes_of": of, "make_of": first} if make else {}


def recorded(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an artifact's manifest, for the records made with it."""
    return {key: manifest[key] for key in ("make", "makes_of", "make_of") if key in manifest}
