"""What a forward pass over answers is compared with, and the loss that comes of it.

Logits are computed at the places alone that have a loss: with a vocabulary of 262,144 tokens
the head is more than half of a small model's work, and prompts are most of its tokens.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specializers.training.packing import IGNORED

TEACHER = ("teacher_ids", "teacher_logs")
WEIGHTS = "weights"


@dataclass(frozen=True)
class Expected:
    """What is expected at the n places of a batch that have a loss.

    Attributes:
        places: rows and columns of the logits that predict them, two tensors (n,).
        tokens: the answers' own tokens, (n,).
        teacher: token ids and their log-probabilities in nats, each (n, k); or None.
        weights: of the loss at each place, (n,); None where all are 1.
    """

    places: tuple[Any, Any]
    tokens: Any
    teacher: tuple[Any, Any] | None = None
    weights: Any = None


def keeps_logits(model: Any) -> bool:
    """Can the model be told at which places to compute logits?"""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


def asked(batch: Mapping[str, Any], keeps: bool) -> tuple[dict[str, Any], Expected]:
    """A collated batch as the model's arguments, and what its logits are compared with.

    Args:
        keeps: the model takes `logits_to_keep`: columns, the same in every row.
    """
    import torch

    targets = batch["labels"][:, 1:]  # the logits of a place predict the next
    rows, columns = (targets != IGNORED).nonzero(as_tuple=True)
    tokens = targets[rows, columns]
    teacher = None
    if TEACHER[0] in batch:
        ids, logs = (batch[name][rows, columns + 1] for name in TEACHER)
        teacher = (ids, logs)
    weights = batch[WEIGHTS][rows, columns + 1] if WEIGHTS in batch else None
    arguments = {name: t for name, t in batch.items() if name not in ("labels", WEIGHTS, *TEACHER)}
    if keeps and len(columns):
        kept = torch.unique(columns)  # in ascending order
        arguments["logits_to_keep"] = kept
        columns = torch.searchsorted(kept, columns)
    return arguments, Expected((rows, columns), tokens, teacher, weights)


def answer_loss(outputs: Any, expected: Expected, num_items_in_batch: Any = None) -> Any:
    """Nats per answer token, over a whole batch of micro-batches: cross-entropy, or with a teacher
    the divergence of its distribution from the model's.

    Dividing by the batch's count rather than the micro-batch's makes the
    result independent of `micro_batch` and of packing, for every architecture.
    """
    count = len(expected.tokens) if num_items_in_batch is None else num_items_in_batch
    return summed_loss(outputs, expected) / count


def summed_loss(outputs: Any, expected: Expected) -> Any:
    """As `answer_loss`, in nats over all places, each by its weight."""
    import torch

    logits = outputs.logits[expected.places].float()
    if expected.teacher is None:
        losses = torch.nn.functional.cross_entropy(logits, expected.tokens, reduction="none")
    else:
        ids, logs = expected.teacher
        losses = divergence(logits.log_softmax(-1).gather(-1, ids), logs)
    return losses.sum() if expected.weights is None else (losses * expected.weights).sum()


def divergence(model: Any, teacher: Any) -> Any:
    """Kullback-Leibler divergence in nats of teacher from model, over k tokens and "any other".

    All other tokens count as one outcome, so the result is at most that over the whole
    vocabulary and 0 only where the two agree on the k tokens.

    Args:
        model, teacher: log-probabilities of the same tokens, (n, k); -inf in `teacher` is no token.
    Returns:
        (n,), each 0 or more but for rounding.
    """
    import torch

    known = teacher > -torch.inf
    probability = teacher.exp()
    terms = torch.where(known, probability * (teacher.masked_fill(~known, 0.0) - model), 0.0)
    other = (1 - probability.sum(-1)).clamp(min=0.0)
    left = (1 - model.exp().masked_fill(~known, 0.0).sum(-1)).clamp(min=1e-9)
    return terms.sum(-1) + torch.xlogy(other, other) - other * left.log()
