"""Control: the same method and budget from general-purpose seeds.

The generic instruction-tuned model on the same base. What self-specialization
gains over this, the domain's seeds and topics gain. It takes the built-in
domain "generic" whatever domain is asked for, and retrieves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.types import BaseModel, Domain, Json, Progress
from specializers.domain import DOMAINS, load_domain
from specializers.selfspec.budgets import BUDGETS
from specializers.selfspec.specializer import SelfSpec


class Generic:
    """Self-specialization on everyday text instead of the domain.

    Raise `version` when the generic seeds change: an artifact's digest covers
    the domain that was asked for, not these.
    """

    name = "generic"
    version = 1
    summary = "control: the same method and budget from general-purpose seeds"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = {
        budget: {**params, "retrieval": "none"} for budget, params in BUDGETS.items()
    }

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """As `SelfSpec.specialize`, on the generic domain."""
        generic = load_domain(DOMAINS / "generic")
        facts = SelfSpec().specialize(base, generic, params, out, progress)
        return {**facts, "domain": generic.name, "domain_digest": generic.digest}
