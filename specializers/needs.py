"""What a specializer needs before it begins: sound parameters, passages, packages.

All of it is told at once and before a model has written anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from harness.errors import MissingExtra, MissingHere, UserErrors
from harness.types import BaseModel, Domain
from specializers.parameters import check
from specializers.training.adapter import layer_faults
from specializers.training.rates import rate_faults

# What is imported -> the package it comes in, the extra that brings it.
_PACKAGES = {
    "torch": ("torch", "hf"),
    "transformers": ("transformers", "hf"),
    "peft": ("peft", "train"),
    "bitsandbytes": ("bitsandbytes", "train"),
    "rensa": ("rensa", "train"),
    "Stemmer": ("PyStemmer", "retrieval"),
    "faiss": ("faiss-cpu", "retrieval"),
    "sentence_transformers": ("sentence-transformers", "retrieval"),
}
_SEARCH = {
    "bm25": ("Stemmer",),
    "dense": ("faiss", "sentence_transformers"),
    "hybrid": ("Stemmer", "faiss", "sentence_transformers"),
}
TRAINING = ("torch", "transformers", "peft")


def parameter_faults(
    name: str,
    params: Mapping[str, Any],
    reference: Mapping[str, Any],
    choices: Mapping[str, tuple[str, ...]],
) -> list[str]:
    """What `specializers.parameters.check` finds, as texts."""
    try:
        check(name, params, reference, choices)
    except UserErrors as error:
        return list(error.messages)
    return []


def search_faults(name: str, domain: Domain, params: Mapping[str, Any]) -> list[str]:
    """Passages that are asked for and not there, and what searches them."""
    kind = params["retrieval"]
    if kind == "none" or not params["passages"]:
        return []
    if domain.corpus is None:
        return [
            f"{name}: retrieval is '{kind}', but domain '{domain.name}' has no corpus. Give one "
            "with --corpus FILE, or --set retrieval=none."
        ]
    return missing_packages(f"{name} (retrieval = {kind})", _SEARCH.get(kind, ()))


def training_packages(params: Mapping[str, Any]) -> tuple[str, ...]:
    """What a training with these parameters imports."""
    return (*TRAINING, "bitsandbytes") if params.get("quantisation") else TRAINING


def training_faults(
    name: str,
    domain: Domain,
    params: Mapping[str, Any],
    reference: Mapping[str, Any],
    choices: Mapping[str, tuple[str, ...]],
    corpus: str = "",
) -> list[str]:
    """Wrong parameters, no corpus, or nothing to train with.

    Args:
        corpus: what one is wanted for ("to train on"); "" wants none.
    """
    if faults := parameter_faults(name, params, reference, choices):
        return faults
    if corpus and domain.corpus is None:
        faults.append(
            f"{name}: domain '{domain.name}' has no corpus {corpus}. Give one with --corpus FILE."
        )
    faults += rate_faults(name, params)
    return faults + missing_packages(f"{name} (training)", training_packages(params))


def missing_packages(purpose: str, modules: Sequence[str]) -> list[str]:
    """A message for each package that is not installed: `MissingHere`."""
    return [
        MissingHere(MissingExtra(*_PACKAGES[module], purpose))
        for module in modules
        if find_spec(module) is None
    ]


def raise_needs(
    faults: Sequence[str], base: BaseModel | None = None, params: Mapping[str, Any] | None = None
) -> None:
    """Raise all, if there are any; and layers to adapt that the base to be trained has not."""
    if not faults and base is not None and params is not None:
        faults = layer_faults(base.local, params["target_modules"])
    if faults:
        raise UserErrors(list(faults))
