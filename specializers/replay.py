"""Replay: the base's own answers to general questions, trained on beside a method's examples.

What a model is trained on alone, it does in place of what it did before. Its own answers to
questions of no domain hold it where it was: a share of them in the data, for every method alike.
Source: self-distillation against forgetting, as in arXiv 2402.13669; the share is a parameter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.doors.files import read_jsonl
from harness.types import BaseModel, Decoding, Json, Progress, Response
from specializers.corpus.sentences import whole_sentences
from specializers.stages import adapter_stage, rows_stage
from specializers.training.examples import TrainingExample, render, resolve_template

QUESTIONS = Path(__file__).parent / "replay.jsonl"
# The parameters, for the budgets of all that train.
REPLAY = ("replay", "replay_tokens")


def trained(
    base: BaseModel,
    examples: Sequence[TrainingExample],
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
) -> Json:
    """Train `out/adapter` on `examples` with their share of replay; what training.json says."""
    return adapter_stage(
        base, with_replay(base, examples, params, out, progress), params, out, progress
    )


def with_replay(
    base: BaseModel,
    examples: Sequence[TrainingExample],
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
) -> list[TrainingExample]:
    """`examples`, and so many answers of the base that they are the share `replay` of all.

    replay.jsonl has the questions with the answers and what was left out; of a specializer
    without `template` the questions are asked in the form of the evaluation.
    """
    wanted = replayed(len(examples), params["replay"])
    if not wanted:
        return list(examples)
    progress.say(f"replay: {wanted} general questions are answered by the base itself")
    form = resolve_template(params.get("template", "auto"), base.has_chat_template)
    rows = rows_stage(
        out, "replay", partial(_answers, base, wanted, params["replay_tokens"], params["seed"])
    )
    answered = [
        render(form, "", row["question"], row["output"]) for row in rows if not row["dropped"]
    ]
    return [*examples, *answered]


def replayed(examples: int, share: float) -> int:
    """How many answers are the share `share` of all, beside so many examples."""
    return round(examples * share / (1 - share)) if share < 1 else examples


def _questions(wanted: int, seed: int) -> list[Json]:
    """So many questions, or all there are, in an order of the seed's own."""
    return sorted(
        read_jsonl(QUESTIONS),
        key=lambda row: hashlib.sha256(f"{seed} {row['id']}".encode()).digest(),
    )[:wanted]


def replay_prompts(wanted: int, seed: int) -> tuple[str, ...]:
    """What the base is asked."""
    return tuple(f"{row['question']}\nAnswer:" for row in _questions(wanted, seed))


def _answers(base: BaseModel, wanted: int, tokens: int, seed: int) -> tuple[list[Json], Json]:
    """Questions, each with the base's greedy answer."""
    questions = _questions(wanted, seed)
    decoding = Decoding(tokens, stop=("\n\n", "\nAnswer:"))
    responses = base.generate(
        list(replay_prompts(wanted, seed)),
        [decoding] * len(questions),
        chat=base.has_chat_template,
        label="replay",
    )
    rows = []
    for row, response in zip(questions, responses, strict=True):
        output = _whole(response)
        dropped = None if output else {"filter": "empty", "reason": "no whole sentence"}
        rows.append({**row, "output": output, "dropped": dropped})
    kept = sum(row["dropped"] is None for row in rows)
    return rows, {"asked": len(rows), "kept": kept, "tokens": sum(r.tokens for r in responses)}


def _whole(response: Response) -> str:
    """The answer; one that its limit cut ends with its last whole sentence."""
    text = (response.text or "").strip()
    if response.finish != "length":
        return text
    return whole_sentences(text)
