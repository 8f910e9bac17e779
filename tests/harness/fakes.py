"""Stand-ins for unit tests: an engine with a rule for every answer.

Never the only test of anything: the real engine has its own tests, and the way
through is run on a real model in tests/test_way_through.py.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.engines.base import EngineReport, GenerateRequest, ScoreRequest
from harness.types import Response


class CharTokens:
    """One token per character."""

    eos_id = 0
    prefix_id = 0
    has_chat_template = False
    takes_system_turn = True

    def encode(self, text, add_special_tokens=None):
        return [ord(c) for c in text]

    def decode(self, ids):
        return "".join(chr(i) for i in ids)

    def apply_chat_template(self, messages, add_generation_prompt=True):
        return "".join(f"<{m['role']}>{m['content']}" for m in messages)


class ScriptedEngine:
    """Answers `say(prompt)`; scores a continuation by minus its length.

    `call_size` requests make one call. `stop_after` calls it raises
    KeyboardInterrupt, as a user who presses Ctrl-C does.
    """

    max_length = 10_000

    def __init__(
        self, say: Callable[[str], str] = str.upper, call_size: int = 2, stop_after: int = -1
    ) -> None:
        self.tokens = CharTokens()
        self.report = EngineReport(path="scripted")
        self.say, self.call_size, self.stop_after = say, call_size, stop_after
        self.calls: list[list[int]] = []
        self.released = 0

    @property
    def numerics(self):
        return {"engine": "scripted", "dtype": "float32"}

    def _run(self, requests, answered, answer):
        for start in range(0, len(requests), self.call_size):
            indices = range(start, min(start + self.call_size, len(requests)))
            todo = [i for i in indices if i not in answered]
            if not todo:
                continue
            if len(self.calls) == self.stop_after:
                raise KeyboardInterrupt
            self.calls.append(todo)
            self.report.calls += 1
            yield [(i, answer(requests[i])) for i in todo]

    def _score(self, request: ScoreRequest) -> Response:
        return Response(
            "loglikelihood", loglikelihood=-float(len(request.continuation)), greedy=False
        )

    def _generate(self, request: GenerateRequest) -> Response:
        text = self.say(self.tokens.decode(request.prompt))
        if text == "<fail>":
            return Response("generation", status="error", error="the call failed")
        return Response("generation", text=text, finish="stop", tokens=len(text))

    def score(self, requests, adapter=None, answered=frozenset()):
        return self._run(requests, answered, self._score)

    def generate(self, requests, adapter=None, answered=frozenset()):
        return self._run(requests, answered, self._generate)

    def release(self):
        self.released += 1
