"""Look answers up in the store, ask the engine for the rest, keep each call.

The one place where a request meets an engine: tasks and specializers both come
through here, so both resume by look-up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.engines.ahead import Ahead, add
from harness.engines.base import Engine, EngineReport, GenerateRequest, ScoreRequest
from harness.identity.answers import answering
from harness.progress import Step
from harness.store import By, ResponseStore, request_key
from harness.types import Progress, Response


@dataclass
class AskCounts:
    """Requests seen, and how many of them the store had or an equal request answered.

    `seconds_ahead` went into answers to them before they were asked.
    """

    asked: int = 0
    reused: int = 0
    seconds_ahead: float = 0.0


class Asker:
    """Answers requests for one base and one adapter.

    Args:
        engine: computes what is missing; its weights load only then.
        store: the responses of exactly this engine, model and adapter; None keeps none.
        adapter: a peft folder, or None for the base itself.
        ahead: what was answered before its job, of this store.

    Attributes:
        answered_by: what gave the answers so far (`harness.identity.answers`), from the store
            or now.
    """

    def __init__(
        self,
        engine: Engine,
        store: ResponseStore | None,
        adapter: Path | None,
        progress: Progress,
        ahead: Ahead | None = None,
    ) -> None:
        self.engine = engine
        self.counts = AskCounts()
        self.answered_by: set[By] = set()
        self._store = store
        self._adapter = adapter
        self._progress = progress
        self._ahead = Ahead() if ahead is None else ahead

    def score(self, requests: Sequence[ScoreRequest], label: str) -> list[Response]:
        """One response with a loglikelihood per request, in order."""
        return self._answer(requests, label)

    def generate(self, requests: Sequence[GenerateRequest], label: str) -> list[Response]:
        """One response with a text per request, in order."""
        return self._answer(requests, label)

    def write_ahead(self, requests: Sequence[GenerateRequest], label: str) -> None:
        """Store the responses of jobs to come; what they cost is counted when they are asked for.

        Nothing is done without a store, or for an engine that gains nothing by it.
        """
        if self._store is None or not self.engine.streams:
            return
        keys = [request_key(request) for request in requests]
        there = self._stored(keys)
        if len(there) == len(set(keys)):
            return
        counts, self.counts = self.counts, AskCounts()
        before, self.engine.report = self.engine.report, EngineReport()
        began = time.monotonic()
        try:
            answers = dict(zip(keys, self._answer(requests, label), strict=True))
            tokens = {
                key: said.tokens
                for key, said in answers.items()
                if key not in there and said.status != "error"  # which is asked again
            }
            self._ahead.put(tokens, self.engine.report, time.monotonic() - began)
        finally:
            self.counts, self.engine.report = counts, before

    def _answer(
        self, requests: Sequence[ScoreRequest] | Sequence[GenerateRequest], label: str
    ) -> list[Response]:
        keys = [request_key(request) for request in requests]
        unique = dict(zip(keys, requests, strict=True))
        order = list(unique)
        held = self._stored(order)
        answers = {key: said for key, (said, _) in held.items()}
        self.answered_by.update(by for _, by in held.values())
        answered = {index for index, key in enumerate(order) if key in answers}
        ahead, work, seconds = self._ahead.take(order)
        add(self.engine.report, work)
        self.counts.asked += len(requests)
        self.counts.reused += len(requests) - (len(order) - len(answered)) - ahead
        self.counts.seconds_ahead += seconds
        missing = len(order) - len(answered)
        if missing:
            todo = list(unique.values())
            calls = (
                self.engine.score(todo, self._adapter, answered)  # type: ignore[arg-type]
                if isinstance(todo[0], ScoreRequest)
                else self.engine.generate(todo, self._adapter, answered)  # type: ignore[arg-type]
            )
            with Step(self._progress, label, missing, "answers") as step:
                for call in calls:
                    kept = [(order[index], response) for index, response in call]
                    by = answering(self.engine.report.path)
                    self.answered_by.add(by)
                    if self._store is not None:
                        self._store.put(kept, by)
                    answers.update(kept)
                    step.advance(len(kept))
        return [answers[key] for key in keys]

    def _stored(self, keys: Sequence[str]) -> dict[str, tuple[Response, By]]:
        if self._store is None:
            return {}
        self._store.refresh()
        return self._store.find(keys)
