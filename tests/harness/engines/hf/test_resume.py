"""A generation job killed at any call and resumed from its store answers byte for byte alike."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.ask import Asker
from harness.engines.base import GenerateRequest
from harness.engines.hf.engine import HFEngine
from harness.progress import NullProgress
from harness.store import ResponseStore
from harness.types import Decoding, Response
from tests.harness.engines.hf.test_engine import words
from tests.harness.engines.tiny import write_model


class Killed(ResponseStore):
    """A store whose process is killed after so many calls were kept."""

    def __init__(self, root: Path, calls: int) -> None:
        super().__init__(root, {"model": "tiny"})
        self.left = calls

    def put(self, call: Sequence[tuple[str, Response]], by: str = "") -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().put(call, by)


def written(responses: list[Response]) -> bytes:
    return json.dumps([asdict(response) for response in responses]).encode()


@pytest.mark.parametrize("path", ["packed", "branched", "plain"])
def test_generation_resumes_to_the_last_byte(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.hf.generation.GROUP", 4)
    monkeypatch.setattr("harness.engines.hf.generation.ROWS", 5)
    engine = HFEngine(write_model(tmp_path / "llama", "llama"), path=path, token_budget=50)
    source = random.Random(3)
    root = words(source, 18)
    prompts = [tuple(engine.tokens.encode(root + words(source, n))) for n in range(1, 13)]
    asked = [
        GenerateRequest(prompt, how)
        for prompt in prompts
        for how in (Decoding(6, (" w3",)), Decoding(6, (), 0.9, 0.95, seed=len(prompt)))
    ]

    def answer(store: ResponseStore) -> list[Response]:
        return Asker(engine, store, None, NullProgress()).generate(asked, "")

    undisturbed = Killed(tmp_path / "whole", len(asked))
    whole = written(answer(undisturbed))
    calls = len(asked) - undisturbed.left
    assert calls >= 5
    for done in range(calls):
        with pytest.raises(KeyboardInterrupt):
            answer(Killed(tmp_path / f"cut{done}", done))
        resumed = ResponseStore(tmp_path / f"cut{done}", {"model": "tiny"})
        assert len(resumed) > 0 or done == 0
        assert len(resumed) < len(asked)
        assert written(answer(resumed)) == whole
