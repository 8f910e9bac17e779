"""The contract between `harness.lm` and whatever computes answers.

An engine gets token ids and gives back responses, a *call* at a time: each
list it yields is what one model call finished, and the caller stores it whole
before it asks for more. Requests whose index is in `answered` are skipped. Of
scores the plan of calls does not depend on `answered`, so that an interrupted run
continues with the same calls as an undisturbed one; texts are equal but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness import moved_names
from harness.types import Decoding, Response

Call = list[tuple[int, Response]]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Ask for log p(continuation | context). Token ids; the continuation is not empty.

    Over-long inputs are cut on the left, as lm-eval does.
    """

    context: tuple[int, ...]
    continuation: tuple[int, ...]

    def sequence(self, max_length: int) -> tuple[int, ...]:
        """Context and continuation as they fit: the last token is never an input."""
        return (self.context + self.continuation)[-(max_length + 1) :]

    def input(self, max_length: int) -> tuple[int, ...]:
        """What a model is shown of it."""
        return self.sequence(max_length)[:-1]

    @property
    def longest(self) -> int:
        """Tokens of the whole sequence."""
        return len(self.context) + len(self.continuation)


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Ask for a continuation of `prompt` (token ids).

    The prompt is cut on the left to `max_length - decoding.max_tokens` tokens.
    """

    prompt: tuple[int, ...]
    decoding: Decoding

    def input(self, max_length: int) -> tuple[int, ...]:
        """The prompt as it fits; () where the decoding's tokens leave no room for one."""
        room = max_length - self.decoding.max_tokens
        return self.prompt[-room:] if room > 0 else ()

    @property
    def longest(self) -> int:
        """Tokens of the whole sequence, at most."""
        return len(self.prompt) + self.decoding.max_tokens


Request = ScoreRequest | GenerateRequest


@dataclass
class EngineReport:
    """What the engine did since it was made (or last reset): the run's last line prints it.

    tokens_asked: sum of sequence lengths as asked, nothing shared.
    tokens_computed: tokens that went through the model in prefill.
    distinct_nodes: nodes of the prefix tree of the requests: the least possible.
    tokens_generated: tokens drawn in decoding. Seconds are wall time.
    path: "packed", "branched", "plain", or the server's name.
    """

    calls: int = 0
    tokens_asked: int = 0
    tokens_computed: int = 0
    distinct_nodes: int = 0
    tokens_generated: int = 0
    seconds_prefill: float = 0.0
    seconds_decode: float = 0.0
    peak_memory_bytes: int = 0
    path: str = ""


class Tokenizer(Protocol):
    """A tokenizer with lm-eval's rules for special tokens (see harness.engines.tokens)."""

    @property
    def eos_id(self) -> int: ...
    @property
    def prefix_id(self) -> int: ...
    @property
    def has_chat_template(self) -> bool: ...
    @property
    def takes_system_turn(self) -> bool: ...

    def encode(self, text: str, add_special_tokens: bool | None = None) -> list[int]: ...
    def decode(self, ids: Sequence[int]) -> str: ...
    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], add_generation_prompt: bool = True
    ) -> str: ...


class Engine(Protocol):
    """Computes responses for one base model and any number of adapters over it.

    Weights load at the first call that needs them, so a run whose answers are
    all stored loads nothing. `numerics` (engine, dtype, quantisation, ...) is
    part of every response's key and is known without loading weights.
    """

    report: EngineReport
    # Of `Decoding.special`, what it can do.
    special: frozenset[str]
    # Whether what several jobs ask is written faster in one stream than job by job.
    streams: bool

    @property
    def tokens(self) -> Tokenizer: ...
    @property
    def max_length(self) -> int: ...
    @property
    def numerics(self) -> dict[str, Any]: ...

    def score(
        self,
        requests: Sequence[ScoreRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]: ...

    def generate(
        self,
        requests: Sequence[GenerateRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]: ...

    def release(self) -> None:
        """Free the weights; a later call loads them again."""
        ...


@runtime_checkable
class MixingEngine(Protocol):
    """An engine that writes with a base and several adapters over it side by side."""

    def generate_each(
        self, requests: Sequence[GenerateRequest], adapters: Sequence[Path | None]
    ) -> Iterator[Call]:
        """Like `Engine.generate`; `adapters` has one for each request."""
        ...


__getattr__ = moved_names(__name__)
