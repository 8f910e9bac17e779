"""One load of base weights serves the base and every adapter over it.

The pool turns a model's name into something that answers: it fetches the
weights' folder, makes the engine, and opens the response store of the right
space. At most one base's weights are in memory at a time; jobs come grouped by
base, so each is loaded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.ask import Asker
from harness.engines.ahead import Ahead
from harness.engines.base import Engine, GenerateRequest, ScoreRequest, Tokenizer
from harness.engines.choose import open_engine
from harness.identity.things import adapter_identity
from harness.store import ResponseStore
from harness.types import Artifact, Decoding, LocalModel, ModelSpec, Progress, Response

MakeEngine = Callable[[LocalModel], Engine]


class ModelPool:
    """Opens models by spec; keeps one engine alive.

    Args:
        fetch: spec -> local folder (`harness.models.sources.fetch`).
        responses: folder of the response store's spaces.
        dtype: overrides every spec's dtype unless "".
        engine: opens the engine of a model; `harness.engines.choose` if None.
        kept: told of each stored call; see `ResponseStore`.
    """

    def __init__(
        self,
        fetch: Callable[[ModelSpec], LocalModel],
        responses: Path,
        progress: Progress,
        dtype: str = "",
        engine: MakeEngine | None = None,
        kept: Callable[[Path, bytes], None] | None = None,
    ) -> None:
        self._fetch = fetch
        self._responses = responses
        self._progress = progress
        self._dtype = dtype
        self._make_engine = engine or (lambda local: open_engine(local, progress.say))
        self._kept = kept
        self._locals: dict[str, LocalModel] = {}
        self._engine: tuple[str, Engine] | None = None
        self._ahead: dict[Path, Ahead] = {}

    def local(self, spec: ModelSpec) -> LocalModel:
        """The model's folder, fetched if needed."""
        if spec.name not in self._locals:
            self._locals[spec.name] = self._fetch(
                replace(spec, dtype=self._dtype) if self._dtype else spec
            )
        return self._locals[spec.name]

    def engine(self, spec: ModelSpec) -> Engine:
        """The engine over a base's weights; another base's weights are freed."""
        if self._engine is None or self._engine[0] != spec.name:
            if self._engine is not None:
                self._engine[1].release()
            self._engine = (spec.name, self._make_engine(self.local(spec)))
        return self._engine[1]

    def asker(self, spec: ModelSpec, artifact: Artifact | None) -> Asker:
        """Answers requests for a base, or for an artifact over it."""
        adapter = artifact.adapter if artifact else None
        return self.adapter_asker(spec, adapter, artifact.digest if adapter and artifact else "")

    def adapter_asker(self, spec: ModelSpec, adapter: Path | None, adapter_digest: str) -> Asker:
        """Answers requests for a base with a peft folder over it."""
        engine = self.engine(spec)
        space = {
            "model": self.local(spec).digest,
            "adapter": adapter_digest,
            "numerics": engine.numerics,
        }
        store = ResponseStore(self._responses, space, self._kept)
        ahead = self._ahead.setdefault(store.folder, Ahead())
        return Asker(engine, store, adapter, self._progress, ahead)


class PooledBase:
    """The `BaseModel` a specializer gets: generation through the response store."""

    def __init__(self, pool: ModelPool, spec: ModelSpec) -> None:
        self._pool = pool
        self._spec = spec

    @property
    def name(self) -> str:
        """The base's registered name."""
        return self._spec.name

    @property
    def local(self) -> LocalModel:
        """The base's folder and digest."""
        return self._pool.local(self._spec)

    @property
    def has_chat_template(self) -> bool:
        """Whether the tokenizer carries a chat template."""
        return self._pool.engine(self._spec).tokens.has_chat_template

    @property
    def numerics(self) -> Mapping[str, Any]:
        """The engine and its numerics."""
        return self._pool.engine(self._spec).numerics

    def generate(
        self,
        prompts: Sequence[str],
        decoding: Sequence[Decoding],
        *,
        chat: bool = False,
        adapter: Path | None = None,
        label: str = "generate",
    ) -> list[Response]:
        """One response per prompt, in order; finished ones come from the store."""
        asker = self._pool.adapter_asker(self._spec, adapter, adapter_identity(adapter))
        tokens = asker.engine.tokens
        texts = [
            tokens.apply_chat_template([{"role": "user", "content": prompt}]) if chat else prompt
            for prompt in prompts
        ]
        requests = [
            GenerateRequest(tuple(tokens.encode(text)), how)
            for text, how in zip(texts, decoding, strict=True)
        ]
        return asker.generate(requests, label)

    def score(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        adapter: Path | None = None,
        label: str = "score",
    ) -> list[Response]:
        """One loglikelihood (nats) per (prompt, continuation); finished ones come from the store.

        Where a token spans the end of the prompt the continuation is encoded by itself.
        """
        asker = self._pool.adapter_asker(self._spec, adapter, adapter_identity(adapter))
        return asker.score([_score_request(asker.engine.tokens, *pair) for pair in pairs], label)

    def count_tokens(self, text: str) -> int:
        """Length of a text in the base's tokens, without special tokens."""
        return len(self._pool.engine(self._spec).tokens.encode(text, add_special_tokens=False))

    def release(self) -> None:
        """Free the weights."""
        self._pool.engine(self._spec).release()


def _score_request(tokens: Tokenizer, prompt: str, continuation: str) -> ScoreRequest:
    context = tuple(tokens.encode(prompt))
    whole = tuple(tokens.encode(prompt + continuation))
    if whole[: len(context)] == context and len(whole) > len(context):
        return ScoreRequest(context, whole[len(context) :])
    return ScoreRequest(context, tuple(tokens.encode(continuation, add_special_tokens=False)))
