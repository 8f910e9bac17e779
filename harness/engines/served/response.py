"""What a server wrote -> a response: thoughts apart, the answer cut at its stop strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from harness.engines.served.reply import Usage, Written
from harness.engines.thoughts import part
from harness.types import Response

# English has about four characters a token; for servers that count nothing, without a tokenizer.
CHARACTERS_A_TOKEN = 4


def response_of(
    written: Written,
    stops: Sequence[str],
    cut_tokens: int,
    count: Callable[[str], int] | None,
    *,
    opened: bool,
) -> Response:
    """The response in what a server wrote.

    Args:
        stops: where the answer ends.
        cut_tokens: of the prompt, cut on the left.
        count: tokens of a text; None where only the server knows.
        opened: the prompt ended inside the model's thoughts.
    """
    from lm_eval.models.utils import postprocess_generated_text

    parted = part(written.text, opened=opened)
    thoughts = "\n\n".join(t for t in (written.reasoning.strip(), parted.thoughts) if t)
    thought = bool(thoughts) or written.usage.reasoning > 0
    answer = parted.answer.lstrip() if thought else parted.answer
    tokens, inside = _tokens(written.usage, thoughts, answer, count)
    common: dict[str, Any] = {"kind": "generation", "tokens": tokens, "cut_tokens": cut_tokens}
    if thought or not parted.closed:
        common |= {"reasoning": thoughts, "reasoning_tokens": inside}
    if written.finish == "refused":
        return Response(status="refused", error=written.said, **common)
    cut = postprocess_generated_text(answer, list(stops), None)
    finish: Literal["stop", "length", "reasoning"] = "stop"
    if unended(written, opened=opened):
        finish = "reasoning"
    elif written.finish == "length" and cut == answer:
        finish = "length"
    return Response(text=cut, finish=finish, **common)


def unended(written: Written, *, opened: bool) -> bool:
    """Whether a generation ended inside the model's thoughts, so that there is no answer."""
    parted = part(written.text, opened=opened)
    thought = bool(written.reasoning or parted.thoughts) or written.usage.reasoning > 0
    return not parted.closed or (thought and not parted.answer.strip())


def _tokens(
    usage: Usage, thoughts: str, answer: str, count: Callable[[str], int] | None
) -> tuple[int, int]:
    """Tokens written, and those of them in thoughts.

    As the server counts, else as the tokenizer does, else by characters: thoughts' share
    of what the server counts, or a token for every four.
    """
    count = count or (lambda text: -(-len(text) // CHARACTERS_A_TOKEN))
    written = usage.written or count(thoughts) + count(answer)
    if usage.reasoning >= 0:
        return written, usage.reasoning
    if not thoughts:
        return written, 0
    inside, outside = count(thoughts), count(answer)
    return written, min(written, round(written * inside / max(1, inside + outside)))
