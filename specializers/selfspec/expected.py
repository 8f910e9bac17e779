"""The prompts that a specialisation over texts of the corpus will send, before a model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.types import Domain
from specializers.parameters import take
from specializers.selfspec.grounded.asking import answer_prompt, balanced, bare_prompt
from specializers.selfspec.grounded.frames import form_of, inventory
from specializers.selfspec.grounded.gate import held_out
from specializers.selfspec.grounded.params import GroundedParams
from specializers.selfspec.grounded.quotas import Quotas, type_quotas
from specializers.selfspec.grounded.stage import moulds, texts_for
from specializers.selfspec.grounded.writing import Plan, prompt_of


def gate_prompts(
    domain: Domain, params: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the gate asks of seeds that are held out: prompts to write after, and a prompt a label
    whose probability is asked for."""
    known = take(GroundedParams, params)
    written: list[str] = []
    labels: list[str] = []
    by_type = {s.task_type: [o for o in domain.seeds if o.task_type == s.task_type]
               for s in domain.seeds}  # fmt: skip
    for group in by_type.values():
        if not known.gate_seeds or len(group) < 2:
            continue
        form = form_of(group)
        for seed, others in held_out(group, known.gate_seeds, known.response_demonstrations):
            shown = answer_prompt(domain, others, seed.instruction, seed.input, "")
            pair = [shown, bare_prompt(seed.instruction, seed.input)]
            if form == "label":
                labels += pair * len(inventory(seed.instruction, seed.output))
            else:
                written += pair
    return tuple(written), tuple(labels)


def grounded_prompts(
    domain: Domain, params: Mapping[str, Any], count: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Prompts for tasks, and for answers (a seed's task stands for the one that is not yet there).

    () and () where the domain has no corpus: a fault that is told elsewhere.
    """
    if domain.corpus is None:
        return (), ()
    known = take(GroundedParams, params)
    frames = moulds(domain)
    shares = {kind: sum(s.task_type == kind for s in domain.seeds) for kind in frames}
    wanted = type_quotas(frames, shares, known.examples, known.long_share)
    plan = Plan(frames, texts_for(domain, frames, known), Quotas(wanted), known)
    tasks, answers = [], []
    for ask in plan.next(count, {}):
        if ask.mode != "kept":
            tasks.append(prompt_of(domain, frames[ask.kind], ask, known.demonstrations))
        seeds = [seed for seed in domain.seeds if seed.task_type == ask.kind]
        shown = balanced(seeds, known.response_demonstrations)
        seed = ask.frame.seed
        instruction, text = ask.frame.task(ask.text.text, ask.frame.values)
        background = ask.text.text if ask.mode == "closed" else ""
        ways = max(1, known.vote_samples) if ask.frame.form in ("mentions", "list", "span") else 1
        prompt = answer_prompt(domain, shown, instruction, text or seed.input, background)
        answers += [prompt] * ways
    return tuple(tasks), tuple(answers)
