"""Context distillation: the base with seeds and passages in its prompt teaches the base without.

Teacher and student are the same weights. The teacher is shown demonstrations of the same kind of
task, and where the question leaves its passage out, that passage; it answers, and the student
learns, at each place of that answer, the teacher's distribution over its likeliest tokens (forward
Kullback-Leibler divergence) from the question alone. Source: arXiv 2602.12275, the variant with a
frozen teacher and its own answers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from harness.doors.files import read_jsonl
from harness.errors import UserError
from harness.types import BaseModel, Decoding, Domain, Json, Progress
from specializers.mining.chosen import mined_tasks
from specializers.needs import raise_needs, training_faults
from specializers.replay import REPLAY, trained
from specializers.selfspec.budgets import CHOICES, training_budgets
from specializers.stages import rows_stage
from specializers.training.examples import TrainingExample, form_facts, render

_STOP = ("\n\n", "\nAnswer:", "\nStatement 1:", "\nText:")
# Kinds of mined tasks whose question leaves out the passage it comes from.
_CLOSED = ("definition",)


class Distil:
    """LoRA towards the base's own distribution when it is shown seeds and passages."""

    name = "distil"
    version = 1
    summary = "context distillation: the base with seeds and passages teaches the base without"
    kind: Literal["adapter", "prompt"] = "adapter"
    budgets: Mapping[str, Mapping[str, Any]] = {
        # top_k: of the teacher's tokens at each place. teacher_shots: demonstrations it sees.
        budget: {**params, "top_k": 32, "teacher_shots": 3, "per_text": 3}
        for budget, params in training_budgets(
            "template", "examples", "response_tokens", *REPLAY
        ).items()
    }

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Write data.jsonl (questions, the teacher's answers, what it was shown) and adapter/.

        Questions are mined from the corpus (`specializers.mining.patterns`) and the seeds' own;
        their known answers demonstrate others and are not learnt.

        Raises:
            UserError: the domain has no corpus, or the teacher answered nothing.
        """
        raise_needs(self.faults(domain, params), base, params)
        rows = rows_stage(out, "data", partial(_answered, base, domain, params))
        if not rows:
            raise UserError(
                "distil: the teacher gave no answer to any question. Allow longer answers with "
                "--set response_tokens=N, or take another base."
            )
        form = form_facts(params["template"], base.has_chat_template)
        passages = _passages(domain, rows)
        examples = [_example(str(form["template"]), row, passages) for row in rows]
        return {**form, "training": trained(base, examples, params, out, progress)}

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """Wrong parameters, no corpus to ask about, or nothing to train with."""
        return training_faults(
            self.name, domain, params, self.budgets["paper"], CHOICES, "to ask about"
        )


def _answered(
    base: BaseModel, domain: Domain, params: Mapping[str, Any]
) -> tuple[list[Json], Json]:
    """Questions, what the teacher is shown and answers; those without an answer are left out."""
    assert domain.corpus is not None
    questions = _questions(domain, domain.corpus, params)
    passages = _passages(domain, questions)
    shown = _shown(questions, params["teacher_shots"], params["seed"])
    rows = [{**row, "shots": shots} for row, shots in zip(questions, shown, strict=True)]
    decoding = Decoding(params["response_tokens"], stop=_STOP)
    prompts = [_teacher_prompt(row, passages) for row in rows]
    responses = base.generate(
        prompts, [decoding] * len(rows), chat=base.has_chat_template, label="teacher"
    )
    kept = [
        {**row, "known": row["output"], "output": (response.text or "").strip()}
        for row, response in zip(rows, responses, strict=True)
        if (response.text or "").strip() and response.finish != "length"
    ]
    return kept, {
        "asked": len(rows),
        "kept": len(kept),
        "tokens": sum(response.tokens for response in responses),
    }


def _questions(domain: Domain, corpus: Path, params: Mapping[str, Any]) -> list[Json]:
    """The seeds' own questions, as many as a third, and mined ones."""
    seeds = [
        {
            "id": seed.id,
            "task_type": seed.task_type,
            "instruction": seed.instruction,
            "input": seed.input,
            "output": seed.output,
            "seeds": {},
            "documents": [],
        }
        for seed in domain.seeds
        if seed.input
    ][: params["examples"] // 3]
    left = params["examples"] - len(seeds)
    return [*seeds, *mined_tasks(corpus, left, params["per_text"], params["seed"])]


def _shown(rows: Sequence[Json], count: int, seed: int) -> list[list[list[str]]]:
    """For each question `count` others of its type, drawn, each as input and known answer."""
    rng = random.Random(seed)
    by_type: dict[str, list[Json]] = {}
    for row in rows:
        by_type.setdefault(row["task_type"], []).append(row)
    shown = []
    for row in rows:
        others = [other for other in by_type[row["task_type"]] if other["id"] != row["id"]]
        drawn = rng.sample(others, min(count, len(others)))
        shown.append([[other["input"], other["output"]] for other in drawn])
    return shown


def _passages(domain: Domain, rows: Sequence[Json]) -> dict[str, str]:
    """By id the texts that questions leave out."""
    wanted = {name for row in rows if row["task_type"] in _CLOSED for name in row["documents"]}
    assert domain.corpus is not None
    rows_of = read_jsonl(domain.corpus) if wanted else ()
    return {row["id"]: row["text"] for row in rows_of if row["id"] in wanted}


def _teacher_prompt(row: Json, passages: Mapping[str, str]) -> str:
    """What the teacher is asked: passage, demonstrations and question as one text."""
    before = "".join(
        f"Background: {passages[name]}\n\n" for name in row["documents"] if name in passages
    )
    shown = [(text, answer) for text, answer in row["shots"]]
    return before + render("plain", row["instruction"], row["input"], "", shown).text


def _example(form: str, row: Json, passages: Mapping[str, str]) -> TrainingExample:
    """The student's question with its teacher."""
    student = render(form, row["instruction"], row["input"], row["output"])
    teacher = TrainingExample(_teacher_prompt(row, passages), student.response, chat=student.chat)
    return replace(student, teacher=teacher)
