"""What points of a sweep share is asked of the model once: counted at the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.pool import ModelPool, PooledBase
from harness.progress import NullProgress
from harness.types import Domain, LocalModel, ModelSpec, Response
from specializers.domain import load_domain
from specializers.selfspec.specializer import make_data
from tests.harness.fakes import ScriptedEngine
from tests.specializers.selfspec.test_selfspec import params, willing
from tests.specializers.tiny import save_domain


class Writer(ScriptedEngine):
    """Answers as the scripted base of the method's own tests does."""

    def _generate(self, request: Any) -> Response:
        return willing(self.tokens.decode(request.prompt), request.decoding)

    @property
    def requests(self) -> int:
        return sum(len(call) for call in self.calls)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return load_domain(save_domain(tmp_path / "domain"))


def make(engine: Writer, domain: Domain, out: Path, **changes: Any) -> list[dict[str, Any]]:
    spec = ModelSpec("scripted", "path:nowhere")
    local = LocalModel(spec, out.parent, "0" * 64)
    responses = out.parent / "responses"
    pool = ModelPool(lambda _: local, responses, NullProgress(), engine=lambda _: engine)
    out.mkdir()
    return make_data(PooledBase(pool, spec), domain, params(**changes), out, NullProgress())


def test_fewer_examples_are_the_first_of_more_and_ask_nothing_new(
    domain: Domain, tmp_path: Path
) -> None:
    engine = Writer()
    most = make(engine, domain, tmp_path / "12", examples=12)
    asked = engine.requests
    fewer = make(engine, domain, tmp_path / "6", examples=6)
    fewest = make(engine, domain, tmp_path / "3", examples=3)
    assert engine.requests == asked
    assert (len(fewest), len(fewer), len(most)) == (3, 6, 12)
    assert most[:6] == fewer
    assert fewer[:3] == fewest


def test_more_examples_ask_only_for_what_is_new(domain: Domain, tmp_path: Path) -> None:
    alone = Writer()
    (tmp_path / "alone").mkdir()
    whole = make(alone, domain, tmp_path / "alone" / "12", examples=12)
    engine = Writer()
    make(engine, domain, tmp_path / "6", examples=6)
    first = engine.requests
    assert make(engine, domain, tmp_path / "12", examples=12) == whole
    assert 0 < first < engine.requests == alone.requests


def test_another_number_of_passages_asks_for_no_new_task(domain: Domain, tmp_path: Path) -> None:
    engine = Writer()
    make(engine, domain, tmp_path / "two", examples=6, passages=2)
    asked = engine.requests
    make(engine, domain, tmp_path / "none", examples=6, passages=0)
    tasks = (tmp_path / "two" / "instructions.jsonl").read_bytes()
    assert (tmp_path / "none" / "instructions.jsonl").read_bytes() == tasks
    # Only answers to tasks that were shown passages are new.
    answered = (tmp_path / "none" / "responses.jsonl").read_text().count("\n")
    assert 0 < engine.requests - asked <= answered + params()["responses_per_round"]
