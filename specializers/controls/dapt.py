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

from harness.files import read_jsonl, write_jsonl
from harness.types import BaseModel, Domain, Json, Progress
from specializers.needs import (
    missing_packages,
    parameter_faults,
    raise_needs,
    training_packages,
)
from specializers.selfspec.budgets import BUDGETS, CHOICES, training_budgets
from specializers.stages import adapter_stage
from specializers.training.examples import TrainingExample


class Dapt:
    """LoRA language modelling on as many passages as self-specialization has examples."""

    name = "dapt"
    version = 3
    summary = "control: LoRA language modelling on the domain's text"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = {
        budget: {**params, "texts": BUDGETS[budget]["examples"]}
        for budget, params in training_budgets().items()
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
        raise_needs(self.faults(domain, params))
        if domain.corpus is None:
            raise AssertionError("a fault")
        texts = _sample(domain.corpus, params["texts"], params["seed"])
        write_jsonl(out / "data.jsonl", texts)
        examples = [TrainingExample("", row["text"]) for row in texts]
        return {
            "texts": len(texts),
            "training": adapter_stage(base, examples, params, out, progress),
        }

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """Wrong parameters, no corpus to train on, or nothing to train with."""
        if faults := parameter_faults(self.name, params, self.budgets["paper"], CHOICES):
            return faults
        if domain.corpus is None:
            faults.append(
                f"dapt: domain '{domain.name}' has no corpus to train on. Give one with "
                "--corpus FILE."
            )
        return faults + missing_packages(f"{self.name} (training)", training_packages(params))


def _sample(corpus: Path, count: int, seed: int) -> list[Json]:
    """`count` passages drawn evenly in one pass, whatever the corpus's size.

    Source: Vitter 1985, algorithm R (reservoir sampling).
    """
    rng = random.Random(seed)
    kept: list[Json] = []
    for seen, row in enumerate(read_jsonl(corpus)):
        text = f"{row['title']}\n{row['text']}" if row["title"] else row["text"]
        entry = {"id": row["id"], "text": text, "documents": [row["id"]]}
        if seen < count:
            kept.append(entry)
        elif (place := rng.randrange(seen + 1)) < count:
            kept[place] = entry
    return kept
