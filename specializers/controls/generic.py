"""Control: the same method and budget from general-purpose seeds.

The generic instruction-tuned model on the same base. What self-specialization
gains over this, the domain's seeds and topics gain. It works on the built-in
domain "generic" whatever domain is asked for, and retrieves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.types import BaseModel, Domain, Json, Progress
from specializers.domain import DOMAINS, load_domain
from specializers.retrieval.embedding import embedding_inputs
from specializers.selfspec.budgets import BUDGETS
from specializers.selfspec.specializer import self_faults, self_specialize


class Generic:
    """Self-specialization on everyday text instead of the domain."""

    name = "generic"
    version = 7
    summary = "control: the same method and budget from general-purpose seeds"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = {
        budget: {**params, "retrieval": "none"} for budget, params in BUDGETS.items()
    }

    def own_domain(self) -> Domain:
        """The generic seeds: the artifact's digest covers these, not the domain asked for."""
        return load_domain(DOMAINS / "generic")

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """As self-specialization, on the own domain (which `domain` is when the harness calls)."""
        return self_specialize(self, base, self.own_domain(), params, out, progress)

    def inputs(self, params: Mapping[str, Any]) -> Mapping[str, str]:
        """The embedding model, where one is used."""
        return embedding_inputs(params)

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """As self-specialization's, of the own domain."""
        return self_faults(self, self.own_domain(), params)
