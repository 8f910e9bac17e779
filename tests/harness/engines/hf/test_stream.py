"""A stream over several roots writes what each prompt alone would, and its rows are kept full."""

from __future__ import annotations

import gc
import random
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.base import GenerateRequest
from harness.engines.hf.engine import HFEngine
from harness.engines.hf.queue import Queue
from harness.engines.hf.slots import Root, Slots
from harness.types import Decoding, Response
from tests.harness.engines.hf.test_engine import PATHS
from tests.harness.engines.tiny import write_adapter, write_model

PACKED = [name for name, path in PATHS.items() if path == "packed" and name != "falcon"]


def requests(seed: int) -> list[GenerateRequest]:
    """Prompts over three roots, one within another, and some over none; five decodings."""
    source = random.Random(seed)

    def some(count: int) -> tuple[int, ...]:
        return tuple(source.randrange(4, 120) for _ in range(count))

    first, second, inner = some(24), some(20), some(17)
    found = []
    for root, count in ((first, 10), (first + inner, 9), (second, 9), ((), 4)):
        for number in range(count):
            prompt = root + some(source.randrange(1, 9))
            most = 3 + 4 * (number % 4)
            how = Decoding(most, (" w3",)) if number % 3 else Decoding(most, (), 0.9, seed=number)
            found.append(GenerateRequest(prompt, how))
    return found


def answer(engine: HFEngine, asked: list[GenerateRequest]) -> list[Response]:
    answers = dict(pair for call in engine.generate(asked) for pair in call)
    return [answers[n] for n in range(len(asked))]


@pytest.mark.parametrize("architecture", PACKED)
def test_texts_are_those_of_the_model_alone(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.hf.generation.ROWS", 14)
    over: set[int] = set()
    step = Slots.step

    def seen(slots: Slots, tokens: list[int]) -> Any:
        logits = step(slots, tokens)
        over.add(len(slots.over))
        return logits

    monkeypatch.setattr(Slots, "step", seen)
    folder = write_model(tmp_path / "model", architecture)
    stream = HFEngine(folder, path="packed", token_budget=60)
    asked = requests(5)
    found = answer(stream, asked)
    assert max(over) >= 2, "rows over several roots were written side by side"
    assert found == answer(HFEngine(folder, path="plain"), asked)
    assert stream.report.calls >= 3
    assert stream.report.tokens_generated == sum(response.tokens for response in found)


@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt_neox", "phi", "mixtral", "mpt"])
def test_a_base_and_its_adapters_write_side_by_side_what_each_writes_alone(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.hf.generation.ROWS", 14)
    folder = write_model(tmp_path / "model", architecture)
    models = [None, *(write_adapter(tmp_path / f"lora{n}", folder, seed=n) for n in (1, 2))]
    together: set[int] = set()
    step = Slots.step

    def seen(slots: Slots, tokens: list[int]) -> Any:
        together.add(len({root.adapter for root in slots.roots}))
        return step(slots, tokens)

    monkeypatch.setattr(Slots, "step", seen)
    asked = [(model, request) for request in requests(5) for model in models]
    engine = HFEngine(folder)
    whole = [request for _, request in asked]
    answers = dict(
        p for call in engine.generate_each(whole, [model for model, _ in asked]) for p in call
    )
    mixes = architecture not in ("mixtral", "mpt")
    assert max(together, default=1) == (3 if mixes else 1)
    texts = []
    for model in models:
        own = [n for n, (of, _) in enumerate(asked) if of == model]
        alone = dict(p for call in engine.generate([whole[n] for n in own], model) for p in call)
        found = [answers[n] for n in own]
        assert found == [alone[n] for n in range(len(own))]
        texts.append([response.text for response in found])
    assert texts[0] != texts[1] != texts[2], "the adapters change what is written"


def test_rows_are_halved_where_memory_runs_out_and_nothing_is_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "model", "llama")
    asked = requests(7)
    whole = answer(HFEngine(folder), asked)
    step = Slots.step

    def short(slots: Slots, tokens: list[int]) -> Any:
        if len(tokens) > 3:
            raise RuntimeError("can't allocate memory: you tried to allocate 20 bytes")
        return step(slots, tokens)

    monkeypatch.setattr(Slots, "step", short)
    engine = HFEngine(folder, path="packed")
    calls = list(engine.generate(asked))
    given = [index for call in calls for index, _ in call]
    assert sorted(given) == list(range(len(asked)))
    assert [response for _, response in sorted(p for call in calls for p in call)] == whole


class Line:
    """A writing of a known length."""

    def __init__(self, most: int, length: int) -> None:
        self.most, self.length = most, length
        self.written: list[int] = []


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.lists(st.integers(1, 60), min_size=1, max_size=9)),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 7),
)
def test_everything_is_taken_once_and_nothing_else(
    kinds: list[tuple[int, list[int]]], rows: int
) -> None:
    root = Root(0, None, ())
    lines = [[Line(most, min(most, length)) for length in lengths] for most, lengths in kinds]
    queue = Queue((lambda: root, group) for group in lines)  # type: ignore[misc]
    active: list[Line] = []
    done: list[Line] = []
    while queue or active:
        free = rows - len(active)
        expected = min(free, len(queue))
        taken = [line for _, group in queue.take(free) for line in group]
        assert len(taken) == expected
        active += taken  # type: ignore[arg-type]
        for line in active:
            line.written.append(0)
        for line in [line for line in active if len(line.written) == line.length]:
            active.remove(line)
            done.append(line)
            queue.finished(line)  # type: ignore[arg-type]
    assert sorted(map(id, done)) == sorted(id(line) for group in lines for line in group)


def test_the_longest_start_first_by_what_was_written_so_far() -> None:
    root = Root(0, None, ())
    short = [Line(100, 2) for _ in range(6)]
    long = [Line(90, 80) for _ in range(6)]
    queue = Queue([(lambda: root, short), (lambda: root, long)])  # type: ignore[list-item]

    def taken(count: int) -> list[Line]:
        return [line for _, group in queue.take(count) for line in group]  # type: ignore[misc]

    assert taken(2) == short[:2], "all that is known is how much they may write"
    for line in short[:2]:
        line.written = [0, 0]
        queue.finished(line)  # type: ignore[arg-type]
    assert taken(3) == long[:3], "those of the first kind turned out short"
    long[0].written = [0] * 5
    queue.finished(long[0])  # type: ignore[arg-type]
    for line in long[1:3]:
        line.written = [0] * 40
    assert taken(1) == long[3:4], "one is short, but the others still go on"


def test_a_root_is_made_once_and_let_go_when_no_prompt_waits_for_it() -> None:
    made: list[int] = []

    def root() -> Root:
        made.append(1)
        return Root(7, None, ())

    def other() -> Root:
        return Root(9, None, ())

    shared = [[Line(9, 3) for _ in range(3)], [Line(5, 3) for _ in range(2)]]
    queue = Queue([(root, shared[0]), (root, shared[1]), (other, [Line(1, 1)])])  # type: ignore[list-item]
    first = weakref.ref(next(iter(queue.take(2)))[0])
    assert [one.depth for one, _ in queue.take(2)] == [7, 7]
    gc.collect()
    assert first() is not None, "a prompt still waits for it"
    assert [one.depth for one, _ in queue.take(1)] == [7]
    gc.collect()
    assert first() is None
    assert (len(made), len(queue)) == (1, 1)
