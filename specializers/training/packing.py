"""Several examples in one row, each attending to itself alone.

Examples of a micro-batch differ in length, and what a shorter one is padded
with is computed for nothing. Packed, they lie end to end in as few rows as
waste least. Positions begin anew with each example; from that transformers
builds a block-diagonal causal mask (`masking_utils.find_packed_sequence_indices`),
for sliding windows too. An architecture that does not go by positions, such as
MPT with its ALiBi biases, would let examples see one another: `packs_exactly`
asks the model itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from specializers.training.targets import EncodedExample

IGNORED = -100  # the label that torch's cross-entropy leaves out

# The largest difference of two logits that is still rounding (fp32, or bf16 relative to their
# size): cross-talk between examples changes logits by orders of magnitude more.
_ROUNDING = {"float32": 1e-4, "bfloat16": 0.05}


def arrange(lengths: Sequence[int], row_tokens: int) -> list[list[int]]:
    """Distribute examples over rows so that rows times the widest row is least.

    The longest goes first into the row with the most room, for every number of
    rows; rows hold at most `row_tokens`, or one example.
    """
    longest_first = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    best: list[list[int]] = []
    least = 0
    for count in range(1, len(lengths) + 1):
        rows: list[list[int]] = [[] for _ in range(count)]
        filled = [0] * count
        for index in longest_first:
            row = filled.index(min(filled))
            rows[row].append(index)
            filled[row] += lengths[index]
        width = max(filled)
        fits = width <= max(row_tokens, lengths[longest_first[0]])
        if fits and (not best or count * width < least):
            best, least = rows, count * width
    return best


def collate(batch: Sequence[EncodedExample], row_tokens: int = 0) -> dict[str, Any]:
    """Tensors of a micro-batch; padding and prompts carry no label.

    Args:
        row_tokens: pack into rows of at most so many tokens; 0 pads each example
            on the right, with an attention mask instead of positions.
    Returns:
        "input_ids", "labels" and "position_ids" or "attention_mask", each (rows, width); where an
        example has a teacher also "teacher_ids" and "teacher_logs", each (rows, width, k): what is
        expected at the places with a label, -inf where there are fewer than k. An example
        without a teacher expects its own token there, with probability 1. Where an example has a
        weight other than 1 also "weights", (rows, width).
    """
    import torch

    packed = row_tokens > 0
    lengths = [len(tokens.ids) for tokens in batch]
    rows = arrange(lengths, row_tokens) if packed else [[index] for index in range(len(batch))]
    width = max(sum(lengths[index] for index in row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    # Counting from 0 after the last example makes the padding an example of its own.
    positions = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    weights = torch.ones(ids.shape)
    top = max((len(choice) for tokens in batch for choice, _ in tokens.teacher), default=0)
    likeliest = torch.zeros(*ids.shape, top, dtype=torch.long)
    logarithms = torch.full((*ids.shape, top), -torch.inf)
    for place, row in enumerate(rows):
        start = 0
        for index in row:
            tokens, end = batch[index], start + lengths[index]
            ids[place, start:end] = torch.tensor(tokens.ids)
            mask[place, start:end] = 1
            positions[place, start:end] = torch.arange(lengths[index])
            answer = start + tokens.response_start
            labels[place, answer:end] = ids[place, answer:end]
            weights[place, answer:end] = tokens.weight
            if top:
                for spot, (choice, logs) in enumerate(_expected(tokens), answer):
                    likeliest[place, spot, : len(choice)] = torch.tensor(choice)
                    logarithms[place, spot, : len(logs)] = torch.tensor(logs)
            start = end
        positions[place, start:] = torch.arange(width - start)
    learnt = {"labels": labels}
    if any(tokens.weight != 1 for tokens in batch):
        learnt |= {"weights": weights}
    if top:
        learnt |= {"teacher_ids": likeliest, "teacher_logs": logarithms}
    if packed:
        return {"input_ids": ids, "position_ids": positions, **learnt}
    return {"input_ids": ids, "attention_mask": mask, **learnt}


def _expected(tokens: EncodedExample) -> Iterable[tuple[Sequence[int], Sequence[float]]]:
    return tokens.teacher or [((token,), (0.0,)) for token in tokens.ids[tokens.response_start :]]


def packs_exactly(model: Any) -> bool:
    """Does the model answer to packed examples as it does to each alone? Asked by a trial.

    Its configuration must have `use_cache` off: with a cache transformers does
    not look for examples in a row.
    """
    import torch

    size = model.get_input_embeddings().num_embeddings
    lengths = (9, 16)
    generator = torch.Generator().manual_seed(0)
    examples = [
        EncodedExample(tuple(torch.randint(size, (n,), generator=generator).tolist()), 1)
        for n in lengths
    ]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            together = _logits(model, collate(examples, row_tokens=sum(lengths)))[0]
            alone = [_logits(model, collate([one]))[0] for one in reversed(examples)]
    except (TypeError, ValueError):
        return False  # the model takes no positions
    finally:
        model.train(was_training)
    # `arrange` puts the longest first.
    difference = (together - torch.cat(alone)).abs().max().item()
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    allowed = _ROUNDING.get(dtype, 1e-4) * max(1.0, together.abs().max().item())
    return bool(difference <= allowed)


def _logits(model: Any, batch: dict[str, Any]) -> Any:
    tensors = {name: t.to(model.device) for name, t in batch.items() if name != "labels"}
    return model(**tensors).logits.float()
