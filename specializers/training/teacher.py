"""What a teacher expects of an answer: the frozen base with more to go by in its prompt.

Source: context distillation as in arXiv 2602.12275: teacher and student have the same weights,
the teacher sees demonstrations and passages, the student learns to answer without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.engines.tokens import HFTokens
from specializers.training.examples import TrainingExample
from specializers.training.loss import asked, keeps_logits
from specializers.training.packing import collate
from specializers.training.targets import EncodedExample, encode

# Where a model's configuration names no window.
WINDOW = 2048


def with_teachers(
    model: Any,
    tokenizer: HFTokens,
    examples: Sequence[TrainingExample],
    encoded: Sequence[EncodedExample],
    top_k: int,
) -> list[EncodedExample]:
    """`encoded` with what the teacher of each example, if it has one, expects at its answer.

    Args:
        model: under a peft adapter, which is put aside while the teacher is asked.
        top_k: how many of its likeliest tokens are kept a place.
    """
    import torch

    window = getattr(model.config, "max_position_embeddings", None) or WINDOW
    keeps = keeps_logits(model)
    was_training = model.training
    model.eval()
    taught = []
    with torch.no_grad(), model.disable_adapter():
        for example, tokens in zip(examples, encoded, strict=True):
            if example.teacher is None:
                taught.append(tokens)
                continue
            answer = tokens.ids[tokens.response_start :]
            prompt = _prompt(tokenizer, example.teacher, window - len(answer))
            batch = collate([EncodedExample((*prompt, *answer), len(prompt))])
            arguments, expected = asked({k: t.to(model.device) for k, t in batch.items()}, keeps)
            logits = model(**arguments).logits[expected.places].float()
            logs, ids = logits.log_softmax(-1).topk(min(top_k, logits.shape[-1]))
            choices = zip(ids.tolist(), logs.tolist(), strict=True)
            taught.append(replace(tokens, teacher=tuple((tuple(i), tuple(p)) for i, p in choices)))
    model.train(was_training)
    return taught


def _prompt(tokenizer: HFTokens, teacher: TrainingExample, room: int) -> tuple[int, ...]:
    """The teacher's prompt; what is too long loses its beginning, as an engine cuts it."""
    tokens, _ = encode(tokenizer, replace(teacher, response=""), 10**9)
    return tokens.ids[: tokens.response_start][-max(1, room) :]
