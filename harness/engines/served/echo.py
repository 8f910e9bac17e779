"""A prompt's own log-probabilities as a server gives them, and whether they are to be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.types import Json

# Two scores of one token after one past agree within this, in nats, whatever stands after it:
# batches of another shape change bfloat16 sums by about 0.1 on small models.
SAME = 0.3


@dataclass(frozen=True)
class Echo:
    """A prompt as the server read it: for each of its tokens, what it was worth.

    logprobs: nats; None at the first, which nothing predicts.
    best: whether it was the most likely token. starts: characters before it, where they are told.
    """

    logprobs: tuple[float | None, ...]
    best: tuple[bool, ...]
    starts: tuple[int, ...]


def read_echo(answer: Json, length: int | None) -> Echo:
    """The prompt's part of an answer to `echo` with `logprobs`.

    Args:
        length: tokens of the prompt; None where only the server knows it.
    Raises:
        ValueError: the answer does not hold one entry for each token of the prompt.
    """
    try:
        found: dict[str, Any] = answer["choices"][0]["logprobs"]
        values, tops = list(found["token_logprobs"]), list(found["top_logprobs"])
        starts = tuple(int(n) for n in found.get("text_offset") or ())
        written = int((answer.get("usage") or {}).get("completion_tokens", 1))
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("it gives no log-probabilities of the prompt") from error
    count = len(values) - written if length is None else length
    if len(values) != count + written or len(tops) != len(values) or count < 1:
        raise ValueError(
            f"it gives {len(values)} log-probabilities for {count} tokens of prompt and {written} "
            "written"
        )
    if any(not isinstance(v, int | float) or not math.isfinite(v) or v > 1e-3
           for v in values[1:count]):  # fmt: skip
        raise ValueError("it leaves out log-probabilities of the prompt")
    best = [
        value is not None and bool(top) and value >= max(top.values())
        for value, top in zip(values[:count], tops[:count], strict=True)
    ]
    return Echo(tuple(values[:count]), tuple(best), starts[:count])


def alignment_fault(echoes: Sequence[Echo], shared: int) -> str:
    """ "" if each entry scores its own token after its own past, else what is wrong.

    Args:
        echoes: of three prompts: P x, P y, and P x z, with x and y unlike each other.
        shared: entries of P.
    """
    first, other, longer = (echo.logprobs for echo in echoes)
    if not 1 < shared < min(len(first), len(other)) or len(longer) <= len(first):
        return "prompts that end differently get entries that do not fit"
    if any(abs(_of(first, i) - _of(other, i)) > SAME for i in range(1, shared)):
        return "an entry changes with a token that comes after it"
    if any(abs(_of(first, i) - _of(longer, i)) > SAME for i in range(1, len(first))):
        return "an entry changes with what is appended to the prompt"
    if abs(_of(first, shared) - _of(other, shared)) < 1e-6:
        return "two different tokens get one and the same value"
    return ""


def _of(values: Sequence[float | None], index: int) -> float:
    value = values[index]
    return math.nan if value is None else value
