"""Examples -> token ids, where the loss falls, and in which order they come.

The loss falls on the response alone, by position: in several models the
padding token is the end token, so masking by id would hide the end from it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from specializers.training.examples import TrainingExample


@dataclass(frozen=True)
class Tokens:
    """Token ids of one example; the loss is on `ids[response_start:]`, and that is 1 or more."""

    ids: tuple[int, ...]
    response_start: int


def encode(tokenizer: Any, example: TrainingExample, max_length: int) -> tuple[Tokens, bool]:
    """Token ids of prompt, response and end; and whether anything was cut to `max_length`.

    Prompt and response are encoded apart, since at inference the model is
    given the prompt's tokens and goes on from there. The prompt loses its
    beginning first, as an engine would cut it; then the response its end.
    """
    end = tokenizer.eos_token_id
    if example.chat:
        text, closing = _chat_turns(tokenizer, example)
        prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
        answer = tokenizer(closing, add_special_tokens=False)["input_ids"]
    else:
        prompt = tokenizer(example.prompt)["input_ids"]
        if len(prompt) > 1 and prompt[-1] == end:
            prompt = prompt[:-1]
        answer = tokenizer(example.response, add_special_tokens=False)["input_ids"] + [end]
    # The first token is never predicted, so a prompt has at least one.
    prompt = prompt or [end]
    answer_room = max(1, max_length - 1)
    kept_answer = answer[:answer_room]
    kept_prompt = prompt[-max(1, max_length - len(kept_answer)) :]
    cut = len(kept_answer) + len(kept_prompt) < len(answer) + len(prompt)
    return Tokens((*kept_prompt, *kept_answer), len(kept_prompt)), cut


def _chat_turns(tokenizer: Any, example: TrainingExample) -> tuple[str, str]:
    """The prompt as the model gets it, and the answer with the template's end of turn.

    A template that refuses a system turn gets its text at the head of the user's.
    """
    from jinja2.exceptions import TemplateError

    user = {"role": "user", "content": example.prompt}
    head = [{"role": "system", "content": example.system}] if example.system else []
    try:
        asked = _templated(tokenizer, [*head, user], add_generation_prompt=True)
    except TemplateError:
        head = []
        user["content"] = f"{example.system}{example.prompt}"
        asked = _templated(tokenizer, [user], add_generation_prompt=True)
    turns = [*head, user, {"role": "assistant", "content": example.response}]
    both = _templated(tokenizer, turns, add_generation_prompt=False)
    end = tokenizer.eos_token
    if not both.startswith(asked):
        return asked, example.response + end
    # Templates put a line break after the end of the turn; nobody reads it any more.
    closing = both[len(asked) :].rstrip()
    return asked, closing if closing != example.response.rstrip() else closing + end


def _templated(tokenizer: Any, turns: Sequence[Any], *, add_generation_prompt: bool) -> str:
    return str(
        tokenizer.apply_chat_template(
            list(turns), tokenize=False, add_generation_prompt=add_generation_prompt
        )
    )


def in_order(examples: Sequence[Tokens], epochs: int, seed: int) -> list[Tokens]:
    """All epochs in a row, each shuffled on its own: the order the trainer follows."""
    rng = random.Random(seed)
    ordered: list[Tokens] = []
    for _ in range(epochs):
        epoch = list(examples)
        rng.shuffle(epoch)
        ordered += epoch
    return ordered
