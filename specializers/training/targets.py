"""Examples -> token ids, where the loss falls, and in which order they come.

The loss falls on the response alone, by position: in several models the
padding token is the end token, so masking by id would hide the end from it.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.engines.tokens import HFTokens, fold_system_turn
from specializers.training.examples import TrainingExample


@dataclass(frozen=True)
class EncodedExample:
    """Token ids of one example; the loss is on `ids[response_start:]`, and that is 1 or more.

    `teacher`: for each place of the response what a teacher expected there, (token ids, their
    log-probabilities in nats), likeliest first; empty where the response itself is learnt.
    `weight`: of the loss at each place of the response.
    """

    ids: tuple[int, ...]
    response_start: int
    teacher: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...] = ()
    weight: float = 1.0

    @property
    def response_tokens(self) -> int:
        """Places of the response."""
        return len(self.ids) - self.response_start


def encode(
    tokens: HFTokens, example: TrainingExample, max_length: int
) -> tuple[EncodedExample, bool]:
    """Token ids of prompt, response and end; and whether it was cut to `max_length`.

    The prompt's tokens are the very ones the model is asked with (`HFTokens`: BOS where the
    tokenizer prepends it, the system turn where the template has none). The response's tokens are
    those that follow them in the whole text, since a tokenizer may begin a text of its own in
    another way (Llama 2 puts a space before it); where the two texts merge across the border, the
    response is encoded by itself. What is too long goes without its demonstrations, the first of
    them first; then it loses words from the beginning of its input, so that instruction and
    question stay; where that is not enough the prompt loses its beginning, then the response its
    end.
    """
    prompt, answer = _both(tokens, example)
    while (room := max_length - len(prompt) - len(answer)) < 0 and example.shots:
        example = replace(example, shots=example.shots[1:])
        prompt, answer = _both(tokens, example)
    if room < 0:
        prompt = _both(tokens, _shortened(tokens, example, max_length))[0]
    # The first token is never predicted, so a prompt has at least one.
    answer_room = max(1, max_length - 1)
    kept_answer = answer[:answer_room]
    kept_prompt = prompt[-max(1, max_length - len(kept_answer)) :]
    return EncodedExample((*kept_prompt, *kept_answer), len(kept_prompt)), room < 0


def _both(tokens: HFTokens, example: TrainingExample) -> tuple[list[int], list[int]]:
    """Token ids of the prompt, one or more, and of the response with its end."""
    text, closing, ends = (
        _chat_turns(tokens, example) if example.chat else (example.text, example.response, False)
    )
    prompt = tokens.encode(text)
    if not example.chat and len(prompt) > 1 and prompt[-1] == tokens.eos_id:
        prompt = prompt[:-1]
    whole = tokens.encode(text + closing)
    if not example.chat and len(whole) > 1 and whole[-1] == tokens.eos_id:
        whole = whole[:-1]
    joined = len(whole) > len(prompt) and whole[: len(prompt)] == prompt
    answer = whole[len(prompt) :] if joined else tokens.encode(closing, add_special_tokens=False)
    if not ends:
        answer = [*answer, tokens.eos_id]
    return prompt or [tokens.prefix_id], answer


def _shortened(tokens: HFTokens, example: TrainingExample, max_length: int) -> TrainingExample:
    """The example without the fewest words of its input's beginning that make it fit, or all."""
    if not example.system:
        return example  # all of it is the question
    words = list(re.finditer(r"\S+\s*", example.prompt))

    def without(count: int) -> TrainingExample:
        return replace(example, prompt=example.prompt[words[count].start() :])

    def fits(count: int) -> bool:
        prompt, answer = _both(tokens, without(count))
        return len(prompt) + len(answer) <= max_length

    # The last word is the "Answer:" that every question ends with.
    last = max(0, len(words) - 1)
    return without(bisect_left(range(last), True, key=fits)) if words else example


def _chat_turns(tokens: HFTokens, example: TrainingExample) -> tuple[str, str, bool]:
    """The prompt as the model gets it, the answer, and whether the template ends the answer."""
    turns = [
        {"role": role, "content": content}
        for shot in example.shots
        for role, content in zip(("user", "assistant"), shot, strict=True)
    ]
    turns.append({"role": "user", "content": example.prompt})
    if example.system:
        turns = [{"role": "system", "content": example.system}, *turns]
        if not tokens.takes_system_turn:
            turns = fold_system_turn(turns)
    asked = tokens.apply_chat_template(turns)
    answered = [*turns, {"role": "assistant", "content": example.response}]
    both = tokens.whole_chat(answered)
    if not both.startswith(asked):
        return asked, example.response, False
    # Templates put a line break after the end of the turn; nobody reads it any more.
    closing = both[len(asked) :].rstrip()
    return asked, closing, closing != example.response.rstrip()


def in_order(
    examples: Sequence[EncodedExample], epochs: int, seed: int, most: int = 0
) -> list[EncodedExample]:
    """All epochs in a row, each shuffled on its own: the order the trainer follows.

    Args:
        most: so many examples in all, in as many epochs as that takes; 0 is all of `epochs`.
    """
    if most:
        epochs = -(-most // len(examples))
    rng = random.Random(seed)
    ordered: list[EncodedExample] = []
    for _ in range(epochs):
        epoch = list(examples)
        rng.shuffle(epoch)
        ordered += epoch
    return ordered[: most or len(ordered)]


def evenly(examples: Sequence[EncodedExample], batch: int) -> list[EncodedExample]:
    """The examples with weights that make the mean over the response tokens of each `batch` the
    mean over its examples of their own means."""
    weighted: list[EncodedExample] = []
    for start in range(0, len(examples), batch):
        together = examples[start : start + batch]
        mean = sum(one.response_tokens for one in together) / len(together)
        weighted += [replace(one, weight=mean / one.response_tokens) for one in together]
    return weighted
