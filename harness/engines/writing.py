"""One continuation being written: which token comes next, and when it ends.

Ends and texts are those of lm-eval's `generate_until` run one prompt at a
time: the text is decoded without special tokens and cut at the first stop
string; the end-of-text token ends a sequence whatever the stop strings are. What a model
writes for itself first is set apart, and no stop string ends it (`thoughts`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from harness.engines.thoughts import Thinking, begins_with_thoughts, opens_thoughts
from harness.engines.tokens import HFTokens
from harness.types import Decoding, Json, Response

# Most probable tokens looked at first when sampling: sorting a whole vocabulary
# at every step would cost as much as a small model's forward pass.
NUCLEUS = 1024
# Tokens of a prompt that tell whether it ends inside of thoughts.
ENDING = 32
# Why a model's logits may be NaN or infinite.
NOT_NUMBERS = "its weights are broken, or overflow in this dtype (try --dtype float32)"


class Writing:
    """The state of one generation.

    Attributes:
        index: of the request in the job. prompt: its token ids, cut to fit.
        written: tokens drawn so far. finish: why it ended, None while it runs.
        opened: the prompt ends inside the model's thoughts.
        error: why the model could not go on, None if it could.
    """

    def __init__(
        self,
        index: int,
        prompt: tuple[int, ...],
        cut_tokens: int,
        decoding: Decoding,
        tokens: HFTokens,
        ends: frozenset[int],
        room: int = 0,
    ) -> None:
        self.index = index
        self.prompt = prompt
        self.written: list[int] = []
        self.finish: str | None = None
        self.error: str | None = None
        self._cut_tokens = cut_tokens
        self._decoding = decoding
        self._tokens = tokens
        self._ends = ends
        self._stops = [stop for stop in (*decoding.stop, tokens.eos_text) if stop]
        # A token writes at least one byte, and a stop of n bytes may begin and end inside one.
        self._tail = max((len(stop.encode()) for stop in self._stops), default=0) + 2
        self._random = random.Random(decoding.seed)
        self._room = room
        self.opened = opens_thoughts(tokens.decode_all(prompt[-ENDING:]))
        self._thinking = Thinking(tokens.decode_all, self.opened)

    @property
    def length(self) -> int:
        """Tokens of prompt and continuation."""
        return len(self.prompt) + len(self.written)

    @property
    def most(self) -> int:
        """Tokens the continuation may have, thoughts among them."""
        return self._decoding.max_tokens + self._room

    @property
    def thinking(self) -> bool:
        """Whether it is inside the model's thoughts, which no stop string ends."""
        return self._thinking.inside

    @property
    def greedy(self) -> bool:
        return self._decoding.temperature == 0.0

    def sample(self, logits: Any) -> int:
        """Draw from a row of float32 logits [V] with this request's own random numbers.

        The draw walks down the tokens in order of probability, so it depends on
        nothing but the row and the request's seed and step. top_k, top_p and min_p follow
        each other as in transformers' `generate`.
        """
        probabilities = (logits / self._decoding.temperature).softmax(-1)
        most = min(self._decoding.top_k or len(probabilities), len(probabilities))
        point = self._random.random()
        values, tokens = probabilities.topk(min(NUCLEUS, most))
        part = probabilities if len(values) < most else None
        drawn = self._drawn(values, tokens, point, part)
        if drawn is None:
            values, tokens = probabilities.sort(descending=True, stable=True)
            drawn = self._drawn(values[:most], tokens[:most], point)
        assert drawn is not None  # of all there are
        return drawn

    def _drawn(self, values: Any, tokens: Any, point: float, of: Any = None) -> int | None:
        """The token at `point`, 0..1, of the mass that may be drawn; None where it takes more to
        tell.

        Args:
            values, tokens: the likeliest, in order.
            of: all probabilities, where these are a part of them.
        """
        how = self._decoding
        if how.top_k:
            if of is not None:
                return None
            values = values / values.sum()
        cumulated = values.double().cumsum(-1)
        # The smallest set whose mass reaches top_p: a token stays if the mass before it does not.
        kept = max(1, int((cumulated - values < how.top_p).sum())) if how.top_p < 1 else len(values)
        if how.min_p:
            kept = max(1, min(kept, int((values >= how.min_p * values[0]).sum())))
        total = cumulated[kept - 1]
        if of is not None and kept == len(values):
            if how.top_p < 1 or how.min_p:
                return None
            total = of.double().sum()
        place = int((cumulated[:kept] <= point * float(total)).sum())
        if of is not None and place == len(values):
            return None
        return int(tokens[min(place, kept - 1)])

    @property
    def penalises(self) -> bool:
        """Whether tokens that are there already count less."""
        return self._decoding.repetition_penalty != 1.0

    def penalised(self, logits: Any) -> Any:
        """A row of logits [V], lower for every token that prompt or continuation have already."""
        penalty = self._decoding.repetition_penalty
        row = logits.clone()
        seen = row.new_tensor(sorted({*self.prompt, *self.written})).long()
        values = row[seen]
        row[seen] = values.where(values < 0, values / penalty).where(values > 0, values * penalty)
        return row

    def add(self, token: int) -> None:
        """Take the next token; sets `finish` if the continuation ends with it."""
        if self.error is not None:
            return
        self.written.append(token)
        self._thinking.see(self.written)
        before = self.thinking or self._thinking.looking
        answer = 0 if before else len(self.written) - self._thinking.begins
        if token in self._ends:
            self.finish = "eos"
        elif not self.thinking and self._stopped():
            self.finish = "stop"
        elif len(self.written) >= self.most or answer >= self._decoding.max_tokens:
            self.finish = "length"

    def fail(self, error: str) -> None:
        """End the continuation: the model gave nothing to choose a token by."""
        self.error, self.finish = error, "error"

    def _stopped(self) -> bool:
        if self._thinking.begins:
            return any(stop in self._answer() for stop in self._stops)
        tail = self.written[-self._tail :]
        texts = (self._tokens.decode(tail), self._tokens.decode_all(tail))
        return any(stop in text for stop in self._stops for text in texts)

    def take(self, written: Sequence[int], unfinished: bool) -> None:
        """Take a whole continuation from a program that ends it by these rules itself.

        Args:
            unfinished: it ran out of tokens.
        """
        self.written, self.finish = [], None
        self._thinking = Thinking(self._tokens.decode_all, self.opened)
        ended = bool(written) and written[-1] in self._ends
        if self._room or self._thinks(written):
            # Such a program knows of no thoughts: the answer ends where it would have here.
            for token in written:
                if self.finish is None:
                    self.add(token)
        else:
            self.written = list(written)
        self.finish = self.finish or ("eos" if ended else "length" if unfinished else "stop")

    def _thinks(self, written: Sequence[int]) -> bool:
        return self.opened or begins_with_thoughts(self._tokens.decode_all(written))

    def _answer(self) -> str:
        """What stands after the thoughts."""
        text = self._tokens.decode(self.written[self._thinking.begins :])
        return (self._thinking.carried + text).lstrip()

    def response(self) -> Response:
        """The finished generation."""
        from lm_eval.models.utils import postprocess_generated_text

        if self.error is not None:
            return Response(
                kind="generation",
                status="error",
                tokens=len(self.written),
                cut_tokens=self._cut_tokens,
                error=self.error,
            )
        text = self._tokens.decode(self.written)
        apart: Json = {}
        if self.thinking or self._thinking.begins:
            text = "" if self.thinking else self._answer()
            thoughts = self._thinking.thoughts(self.written, self.opened)
            if thoughts or self.thinking:
                tokens = len(self.written) if self.thinking else self._thinking.begins
                apart = {"reasoning": thoughts, "reasoning_tokens": tokens}
        return Response(
            kind="generation",
            text=postprocess_generated_text(text, self._stops, None),
            finish="reasoning" if apart and not text.strip() else self.finish,  # type: ignore[arg-type]
            tokens=len(self.written),
            cut_tokens=self._cut_tokens,
            **apart,
        )


def choose(logits: Any, writings: Sequence[Writing]) -> list[int]:
    """The next token of each writing from its row of logits [B, V]."""
    likely = logits.argmax(-1)
    chosen: list[int] = likely.tolist()
    # A NaN counts as the largest, so the row's largest tells of all.
    sound: list[bool] = logits.gather(-1, likely[:, None])[:, 0].isfinite().tolist()
    for row, writing in enumerate(writings):
        if not sound[row]:
            at = len(writing.written)
            writing.fail(f"the model's logits at new token {at} are no numbers: {NOT_NUMBERS}")
            continue
        if writing.greedy and not writing.penalises:
            continue
        own = writing.penalised(logits[row]) if writing.penalises else logits[row]
        chosen[row] = int(own.argmax(-1)) if writing.greedy else writing.sample(own.float())
    return chosen
