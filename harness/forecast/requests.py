"""What a run will ask, before it is run: requests, tokens, seconds.

The requests are the run's own: the same code builds them, and an engine that
answers nothing counts them. What is in the store is left out as a run would
leave it out. What must be assumed stands here as a constant with its source.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.engines.base import Call, EngineReport, GenerateRequest, ScoreRequest, Tokenizer
from harness.engines.prefix import Forest
from harness.store import By, ResponseStore
from harness.types import Json, Response

# Tokens a model writes where the answer's own length is `target` and `limit` may be written:
# target + this share of the limit. Records of smollm2 on biomed and biomed-mini, 0 shots.
OVERRUN = 0.15
# One trained on examples stops where their answers do: 0.74 of the answers' tokens (selfspec over
# smollm2, budget tiny, ten tasks of biomed-mini), where the base wrote 1.8 times as many.
TRAINED = 0.75
# Rows that the transformers engine decodes side by side (harness.engines.hf.generation.ROWS).
ROWS = 64
# A training token's cost in prefill tokens: forward and backward through frozen weights.
# Measured: 180 to 474 tokens a second (SmolLM2-135M, float32, two cores). Computing layers
# again (gradient checkpointing) adds a forward pass.
TRAINING_COST = 2.6
CHECKPOINTING_COST = 1.0


@dataclass
class Work:
    """What a part of a run asks. Tokens; `bound` and `expected` are of generation.

    `passes` are expected steps of decoding, each of which writes a token for every row.
    """

    requests: int = 0
    stored: int = 0
    asked: int = 0
    computed: int = 0
    bound: int = 0
    expected: int = 0
    passes: int = 0
    training: int = 0
    steps: int = 0

    def __add__(self, other: Work) -> Work:
        names = [f.name for f in fields(Work)]
        return Work(**{n: getattr(self, n) + getattr(other, n) for n in names})


@dataclass(frozen=True)
class Throughput:
    """Tokens a second of one device. `training` is derived unless it is stated.

    `step` is what a pass of decoding takes in seconds whatever it holds (the weights are read
    once), `decode` what each of its rows adds. Without `step`, decode is that of a full batch.
    """

    prefill: float
    decode: float
    training: float = 0.0
    step: float = 0.0
    source: str = "stated"

    def seconds(self, work: Work, checkpointing: bool = False) -> float:
        """Expected seconds of a part of a run on one device."""
        cost = TRAINING_COST + (CHECKPOINTING_COST if checkpointing else 0.0)
        trained = self.training or self.prefill / cost
        written = work.expected / self.decode + work.passes * self.step
        return work.computed / self.prefill + written + work.training / trained


class CountingEngine:
    """An engine that answers nothing and counts what it is asked.

    Its answers are errors, which the store never keeps.

    Args:
        tokens, max_length, numerics, can_score: of the engine it stands for.
    """

    special = frozenset({"top_k", "min_p", "repetition_penalty"})
    streams = False

    def __init__(
        self, tokens: Tokenizer, max_length: int, numerics: Json, can_score: bool = True
    ) -> None:
        self.tokens = tokens
        self.can_score = can_score
        self.max_length = max_length
        # Tokens of the longest sequence that was asked for and not stored.
        self.longest = 0
        self.numerics = numerics
        self.report = EngineReport(path="counting")
        self.work = Work()

    def take(self) -> Work:
        """What was asked since the last call of this."""
        work, self.work = self.work, Work()
        return work

    def score(
        self,
        requests: Sequence[ScoreRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Count the scores that are not answered."""
        inputs = [r.input(self.max_length) for i, r in enumerate(requests) if i not in answered]
        self._add(len(requests), len(answered), inputs)
        yield _unanswered(len(requests), answered, "loglikelihood")

    def generate(
        self,
        requests: Sequence[GenerateRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Count the generations that are not answered."""
        left = [r for i, r in enumerate(requests) if i not in answered]
        inputs = [r.input(self.max_length) for r in left]
        self._add(len(requests), len(answered), inputs)
        rooms = (len(t) + r.decoding.max_tokens for t, r in zip(inputs, left, strict=True))
        self.longest = max(self.longest, *rooms, 0)
        self.work.bound += sum(r.decoding.max_tokens for r in left)
        yield _unanswered(len(requests), answered, "generation")

    def release(self) -> None:
        """Nothing is held."""

    def _add(self, requests: int, stored: int, inputs: Sequence[tuple[int, ...]]) -> None:
        forest = Forest(inputs)
        self.longest = max([self.longest, *map(len, inputs)])
        self.work += Work(requests, stored, forest.asked, forest.nodes)


class CountedStore(ResponseStore):
    """A store for which a request that was counted once is answered from then on.

    Args:
        root, space: see `ResponseStore`. Nothing that was counted is written there.
        counted: keys of what was counted; it grows.
    """

    def __init__(self, root: Path, space: Json, counted: set[str]) -> None:
        super().__init__(root, space)
        self._counted = counted

    def find(self, keys: Iterable[str]) -> dict[str, tuple[Response, By]]:
        """What is stored or was counted."""
        wanted = list(keys)
        nothing = Response("generation", status="error", error="only counted")
        counted = {key: (nothing, "") for key in wanted if key in self._counted}
        return {**counted, **super().find(wanted)}

    def put(self, call: Sequence[tuple[str, Response]], by: By = "") -> None:
        """Remember what was counted."""
        self._counted.update(key for key, _ in call)


def _unanswered(count: int, answered: Set[int], kind: Any) -> Call:
    nothing = Response(kind, status="error", error="only counted")
    return [(i, nothing) for i in range(count) if i not in answered]


def expected_tokens(target: float, limit: int, trained: bool = False) -> float:
    """Tokens a model is expected to write for an answer of `target` tokens.

    Args:
        trained: on examples, whose answers end.
    """
    return min(float(limit), TRAINED * target if trained else target + OVERRUN * limit)


def expected_passes(written: Sequence[float], limit: int, trained: bool = False) -> float:
    """Steps of decoding for rows that are expected to write so much.

    The longest row decides, or, where there are more rows than are decoded side by side, their
    sum. Of an untrained model's rows a share of OVERRUN runs to the limit, so of many one will.
    """
    if not written:
        return 0.0
    to_the_end = 0.0 if trained else 1 - (1 - OVERRUN) ** len(written)
    longest = to_the_end * limit + (1 - to_the_end) * max(written)
    return max(longest, sum(written) / ROWS)


class RoughTokens:
    """A stand-in for a tokenizer that is not on this disk: pieces of at most six letters.

    Equal texts get equal ids, so prefixes are shared as they would be.

    Args:
        chat: the model is one that has a chat template.
    """

    eos_id = 0
    prefix_id = 0
    takes_system_turn = True

    _PIECE = re.compile(r" ?[^\W\d_]{1,6}|\d|\s+|[^\w\s]|_")

    def __init__(self, chat: bool) -> None:
        self.has_chat_template = chat

    def encode(self, text: str, add_special_tokens: bool | None = None) -> list[int]:
        """One id a piece."""
        return [zlib.crc32(piece.encode()) for piece in self._PIECE.findall(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Nothing: pieces cannot be read back."""
        return ""

    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The messages with a role before each."""
        return "".join(f"{m['role']}: {m['content']}\n" for m in messages)
