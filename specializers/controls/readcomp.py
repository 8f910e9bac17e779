"""Control: train on reading tasks that are mined from the domain's text; no model writes them.

Free of cost on every machine, and its answers are the text's own. What self-specialization gains
over this, tasks written by the model gain. Source of the idea: Cheng et al. 2023, "Adapting Large
Language Models via Reading Comprehension", arXiv 2309.09530.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.errors import UserError
from harness.types import BaseModel, Domain, Json, Progress
from specializers.mining.chosen import PER_TEXT, mined_tasks
from specializers.needs import raise_needs, training_faults
from specializers.replay import REPLAY, trained
from specializers.selfspec.budgets import CHOICES, FORM, training_budgets
from specializers.stages import rows_stage
from specializers.training.examples import form_facts, rendered


class ReadComp:
    """LoRA on tasks that connectives and structure of the domain's text give."""

    name = "readcomp"
    version = 1
    summary = "control: train on reading tasks mined from the domain's text, without a model"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = {
        budget: {**params, "per_text": PER_TEXT}
        for budget, params in training_budgets(*FORM, "examples", *REPLAY).items()
    }

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Write data.jsonl (the tasks), adapter/ and training.json into `out`.

        Raises:
            UserError: the domain has no corpus, or its texts hold no task.
        """
        raise_needs(self.faults(domain, params), base, params)
        corpus = domain.corpus
        if corpus is None:
            raise AssertionError("a fault")

        def work() -> tuple[list[Json], Json]:
            rows = mined_tasks(corpus, params["examples"], params["per_text"], params["seed"])
            kinds = Counter(row["task_type"] for row in rows)
            return rows, {"kept": len(rows), "kinds": dict(sorted(kinds.items()))}

        rows = rows_stage(out, "data", work)
        if not rows:
            raise UserError(
                f"readcomp: found no task in the texts of {corpus}; expected passages of several "
                "sentences. Give another corpus with --corpus."
            )
        if len(rows) < params["examples"]:
            progress.say(
                f"readcomp: {corpus} holds {len(rows)} tasks of the {params['examples']} asked for"
            )
        form = form_facts(params["template"], base.has_chat_template)
        examples = rendered(rows, params, str(form["template"]))
        kinds = Counter(row["task_type"] for row in rows)
        return {
            **form,
            "tasks": dict(sorted(kinds.items())),
            "training": trained(base, examples, params, out, progress),
        }

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """Wrong parameters, no corpus to mine, or nothing to train with."""
        return training_faults(self.name, domain, params, self.budgets["paper"], CHOICES, "to mine")
