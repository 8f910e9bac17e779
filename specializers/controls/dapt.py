"""Control: go on pretraining on the domain's text.

What this gains, reading the corpus gains; self-specialization sees the same
corpus only through retrieved passages. Source: Gururangan et al. 2020, "Don't
Stop Pretraining" (domain-adaptive pretraining), here with LoRA.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.files import write_jsonl
from harness.types import BaseModel, Domain, Json, Progress
from specializers.corpus.open import drawn
from specializers.needs import raise_needs, training_faults
from specializers.replay import REPLAY, trained
from specializers.selfspec.budgets import BUDGETS, CHOICES, training_budgets
from specializers.training.examples import TrainingExample


class Dapt:
    """LoRA language modelling on as many passages as self-specialization has examples."""

    name = "dapt"
    version = 4
    summary = "control: LoRA language modelling on the domain's text"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = {
        budget: {**params, "texts": BUDGETS[budget]["examples"]}
        for budget, params in training_budgets(*REPLAY).items()
    }

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Write data.jsonl (the passages), adapter/ and training.json into `out`.

        Raises:
            UserError: the domain has no corpus.
        """
        raise_needs(self.faults(domain, params), base, params)
        if domain.corpus is None:
            raise AssertionError("a fault")
        rng = random.Random(params["seed"])
        texts = [_text(row) for row in drawn(domain.corpus, params["texts"], rng)]
        write_jsonl(out / "data.jsonl", texts)
        examples = [TrainingExample("", row["text"]) for row in texts]
        return {
            "texts": len(texts),
            "training": trained(base, examples, params, out, progress),
        }

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """Wrong parameters, no corpus to train on, or nothing to train with."""
        return training_faults(
            self.name, domain, params, self.budgets["paper"], CHOICES, "to train on"
        )


def _text(row: Json) -> Json:
    text = f"{row['title']}\n{row['text']}" if row["title"] else row["text"]
    return {"id": row["id"], "text": text, "documents": [row["id"]]}
