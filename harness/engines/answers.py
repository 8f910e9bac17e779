"""Log-probabilities -> a response, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from harness.engines.base import Call, Request, ScoreRequest
from harness.engines.writing import NOT_NUMBERS
from harness.types import Response


def scored(request: ScoreRequest, total: float, greedy: bool, max_length: int) -> Response:
    """The response to a request whose tokens' log-probabilities add up to `total`."""
    if not math.isfinite(total):
        return Response(
            kind="loglikelihood",
            status="error",
            tokens=len(request.continuation),
            error=f"the model's log-probabilities add up to {total}, no number: {NOT_NUMBERS}",
        )
    asked = len(request.context) + len(request.continuation)
    return Response(
        kind="loglikelihood",
        loglikelihood=total,
        greedy=greedy,
        tokens=len(request.continuation),
        cut_tokens=max(0, asked - max_length - 1),
    )


def refusal(request: Request, max_length: int) -> Response | None:
    """Why a model of `max_length` tokens cannot answer a request; None if it can."""
    if isinstance(request, ScoreRequest):
        count = len(request.continuation)
        if 0 < count <= max_length:
            return None
        return Response(
            kind="loglikelihood",
            status="error",
            error=f"a continuation of {count} tokens; "
            f"1 to {max_length} (the model's longest input) can be scored",
        )
    most = request.decoding.max_tokens
    if request.prompt and most < max_length:
        return None
    found = f"{most} new tokens" if request.prompt else "an empty prompt"
    return Response(
        kind="generation",
        status="error",
        error=f"{found}; a model of at most {max_length} tokens needs room for a prompt",
    )


def refused(requests: Sequence[Request], max_length: int, answered: Set[int]) -> Call:
    """The requests without an answer that no model of `max_length` tokens can give."""
    said = ((i, refusal(r, max_length)) for i, r in enumerate(requests) if i not in answered)
    return [(i, response) for i, response in said if response is not None]
