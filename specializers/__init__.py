"""Specializers turn one registered model into another; each is named here or by an entry point."""

import harness  # noqa: F401  (answers imports of places left in 0.2)

__all__ = ["domain", "seed_check"]

BUILT_IN: dict[str, str] = {
    "selfspec": "specializers.selfspec.specializer:SelfSpec",
    "seedsft": "specializers.controls.seedsft:SeedSft",
    "generic": "specializers.controls.generic:Generic",
    "dapt": "specializers.controls.dapt:Dapt",
    "rag": "specializers.controls.rag:Rag",
    "readcomp": "specializers.controls.readcomp:ReadComp",
    "seedshots": "specializers.controls.seedshots:SeedShots",
    "distil": "specializers.controls.distil:Distil",
}
