"""Look answers up in the store, ask the engine for the rest, keep each call.

The one place where a request meets an engine: tasks and specializers both come
through here, so both resume by look-up.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.engines.ahead import Ahead, Cost, add
from harness.engines.base import Engine, EngineReport, GenerateRequest, MixingEngine, ScoreRequest
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
        self.store = store
        self.adapter = adapter
        self.progress = progress
        self.ahead = Ahead() if ahead is None else ahead

    def score(self, requests: Sequence[ScoreRequest], label: str) -> list[Response]:
        """One response with a loglikelihood per request, in order."""
        return self._answer(requests, label)

    def generate(self, requests: Sequence[GenerateRequest], label: str) -> list[Response]:
        """One response with a text per request, in order."""
        return self._answer(requests, label)

    def _answer(
        self, requests: Sequence[ScoreRequest] | Sequence[GenerateRequest], label: str
    ) -> list[Response]:
        keys = [request_key(request) for request in requests]
        unique = dict(zip(keys, requests, strict=True))
        order = list(unique)
        held = self.stored(order)
        answers = {key: said for key, (said, _) in held.items()}
        self.answered_by.update(by for _, by in held.values())
        answered = {index for index, key in enumerate(order) if key in answers}
        ahead, work, seconds = self.ahead.take(order)
        add(self.engine.report, work)
        self.counts.asked += len(requests)
        self.counts.reused += len(requests) - (len(order) - len(answered)) - ahead
        self.counts.seconds_ahead += seconds
        missing = len(order) - len(answered)
        if missing:
            todo = list(unique.values())
            calls = (
                self.engine.score(todo, self.adapter, answered)  # type: ignore[arg-type]
                if isinstance(todo[0], ScoreRequest)
                else self.engine.generate(todo, self.adapter, answered)  # type: ignore[arg-type]
            )
            with Step(self.progress, label, missing, "answers") as step:
                for call in calls:
                    kept = [(order[index], response) for index, response in call]
                    by = answering(self.engine.report.path)
                    self.answered_by.add(by)
                    if self.store is not None:
                        self.store.put(kept, by)
                    answers.update(kept)
                    step.advance(len(kept))
        return [answers[key] for key in keys]

    def stored(self, keys: Sequence[str]) -> dict[str, tuple[Response, By]]:
        """The responses that are there, by key, and what gave each."""
        if self.store is None:
            return {}
        self.store.refresh()
        return self.store.find(keys)


def write_ahead(parts: Sequence[tuple[Asker, Sequence[GenerateRequest]]], label: str) -> None:
    """Store the responses of jobs to come, written in one stream; each finds its own there.

    What they cost is counted when they are asked for. Nothing is done without a store, or for an
    engine that gains nothing by it.

    Args:
        parts: what is asked of models over one engine.
    """
    models: dict[Path, _Part] = {}
    for asker, requests in parts:
        if asker.store is not None and asker.engine.streams:
            part = models.setdefault(asker.store.folder, _Part(asker))
            part.missing.update((request_key(request), request) for request in requests)
    waiting = [part for part in models.values() if part.only_missing()]
    if not waiting:
        return
    if isinstance(waiting[0].asker.engine, MixingEngine):
        _stream(waiting, label)
        return
    for part in waiting:
        _stream([part], label)


@dataclass
class _Part:
    """What is asked of a model, by key, and what each answer then cost."""

    asker: Asker
    missing: dict[str, GenerateRequest] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)

    def keep(self, call: Sequence[tuple[str, Response]], by: By) -> None:
        """Store what a call answered. What failed is asked again, by its job."""
        assert self.asker.store is not None
        self.asker.store.put(call, by)
        for key, said in call:
            if said.status != "error":
                self.costs[key] = (len(self.missing[key].prompt), said.tokens)

    def only_missing(self) -> bool:
        """Leave out what is stored; whether anything is left."""
        for key in self.asker.stored(list(self.missing)):
            del self.missing[key]
        return bool(self.missing)


def _stream(parts: Sequence[_Part], label: str) -> None:
    engine = parts[0].asker.engine
    asked = [(part, key) for part in parts for key in part.missing]
    requests = [part.missing[key] for part, key in asked]
    adapters = [part.asker.adapter for part, _ in asked]
    before, engine.report = engine.report, EngineReport()
    began = time.monotonic()
    try:
        calls = (
            engine.generate_each(requests, adapters)
            if isinstance(engine, MixingEngine) and len(parts) > 1
            else engine.generate(requests, adapters[0])
        )
        with Step(parts[0].asker.progress, label, len(asked), "answers") as step:
            for call in calls:
                by = answering(engine.report.path)
                for part in parts:
                    own = [(asked[i][1], said) for i, said in call if asked[i][0] is part]
                    if own:
                        part.keep(own, by)
                step.advance(len(call))
        # The stream's work is shared out by tokens, to the models first.
        whole = Ahead()
        whole.put({f"{n} {k}": cost for n, p in enumerate(parts) for k, cost in p.costs.items()},
                  engine.report, time.monotonic() - began)  # fmt: skip
        for n, part in enumerate(parts):
            _, report, seconds = whole.take(f"{n} {key}" for key in part.costs)
            part.asker.ahead.put(part.costs, report, seconds)
    finally:
        engine.report = before
