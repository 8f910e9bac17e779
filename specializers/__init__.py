"""Specializers turn one registered model into another; each is named here or by an entry point."""

BUILT_IN: dict[str, str] = {
    "selfspec": "specializers.selfspec.specializer:SelfSpec",
    "seedsft": "specializers.seedsft:SeedSft",
    "generic": "specializers.generic:Generic",
    "dapt": "specializers.dapt:Dapt",
    "rag": "specializers.rag:Rag",
}
