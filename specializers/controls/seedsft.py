"""Control: train on the seeds alone.

What this gains over the base, a few hand-written examples of the domain's task
formats gain; what self-specialization gains over this, its own examples do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.files import write_jsonl
from harness.types import BaseModel, Domain, Json, Progress
from specializers.needs import raise_needs, training_faults
from specializers.replay import REPLAY, trained
from specializers.selfspec.budgets import CHOICES, FORM, training_budgets
from specializers.training.examples import form_facts, rendered


class SeedSft:
    """Supervised fine-tuning on the domain's seeds, with self-specialization's training."""

    name = "seedsft"
    version = 4
    summary = "control: train on the hand-written seeds alone"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = training_budgets(*FORM, *REPLAY)

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Write data.jsonl (the seeds), adapter/ and training.json into `out`."""
        raise_needs(self.faults(domain, params), base, params)
        rows: list[Json] = [
            {
                "id": seed.id,
                "instruction": seed.instruction,
                "input": seed.input,
                "output": seed.output,
                "seeds": {"instruction": [seed.id], "response": [seed.id]},
                "documents": [],
            }
            for seed in domain.seeds
        ]
        write_jsonl(out / "data.jsonl", rows)
        form = form_facts(params["template"], base.has_chat_template)
        examples = rendered(rows, params, str(form["template"]))
        return {**form, "training": trained(base, examples, params, out, progress)}

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """Wrong parameters, or nothing to train with."""
        return training_faults(self.name, domain, params, self.budgets["paper"], CHOICES)
