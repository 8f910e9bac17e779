"""Log-probabilities -> a response, or why there is none."""

from __future__ import annotations

import math

from harness.engines.base import GenerateRequest, ScoreRequest
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


def too_long(request: ScoreRequest, max_length: int) -> Response:
    """The failed response to a request that no model of `max_length` tokens can score."""
    return Response(
        kind="loglikelihood",
        status="error",
        error=f"a continuation of {len(request.continuation)} tokens; "
        f"1 to {max_length} (the model's longest input) can be scored",
    )


def impossible(request: GenerateRequest, max_length: int) -> Response:
    """The failed response to a request that leaves a model of `max_length` tokens no prompt."""
    found = "an empty prompt" if not request.prompt else f"{request.decoding.max_tokens} new tokens"
    return Response(
        kind="generation",
        status="error",
        error=f"{found}; a model of at most {max_length} tokens needs room for a prompt",
    )
