"""The steps that vLLM is asked for a job's answers, and the order in which they are asked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count

from harness.engines.base import ScoreRequest
from harness.engines.prefix import Forest
from harness.engines.vllm.following import Asked, Following, StepRequest
from harness.engines.vllm.steps import Node, Tally

LONGEST = 200


def nodes(asked: list[ScoreRequest], block: int = 32) -> list[Node]:
    tally = Tally(dict(enumerate(asked)), LONGEST)
    order = Forest(tally.inputs()).order.tolist()
    return tally.nodes(order, block)


def below(steps: list[Node], before: tuple[int, ...] = ()) -> Iterator[tuple[Node, int]]:
    """Every step, with the tokens that it shares with the one it follows."""
    for step in steps:
        assert step.prompt[: len(before)] == before
        yield step, len(before)
        yield from below(step.then, step.prompt)


def drawn(seed: int) -> list[ScoreRequest]:
    """Shots, texts after them that begin alike in threes, answers that share beginnings."""
    draw = random.Random(seed)

    def some(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw.randrange(4) for _ in range(draw.randint(least, most)))

    shots, asked = some(1, 70), []
    for _ in range(4):
        start = shots + some(0, 40)
        for _ in range(3):
            context = start + some(0, 9)
            asked += [ScoreRequest(context, some(1, 4)) for _ in range(5)]
    return asked


def test_each_answer_token_waits_at_one_step_below_the_one_before_it() -> None:
    for seed in range(60):
        asked = drawn(seed)
        found = {
            (step.prompt, token): sorted(indices)
            for step, _ in below(nodes(asked, 16))
            for token, indices in step.waiting.items()
        }
        expected: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for i, request in enumerate(asked):
            whole = request.sequence(LONGEST)
            for at in range(len(whole) - len(request.continuation), len(whole)):
                expected.setdefault((whole[:at], whole[at]), []).append(i)
        assert found == expected


def test_what_follows_computes_little_more_than_the_distinct_nodes() -> None:
    """A step computes what it shares neither with the one it follows nor, in whole blocks, with
    one before it."""
    block, computed, distinct = 32, 0, 0
    for seed in range(60):
        asked = drawn(seed)
        cached: set[tuple[int, ...]] = set()
        for step, shared in below(nodes(asked, block)):
            size = len(step.prompt)
            starts = [n for n in range(0, size, block) if step.prompt[:n] in cached]
            computed += size - min(max(shared, *starts, 0), size - 1)
            cached |= {step.prompt[:n] for n in range(0, size + 1, block)}
        distinct += Forest(r.input(LONGEST) for r in asked).nodes
    assert distinct <= computed <= 1.15 * distinct


def test_a_step_reports_on_no_more_tokens_than_vllm_allows() -> None:
    context = tuple(range(40))
    (first,) = nodes([ScoreRequest(context, (100 + i, 7)) for i in range(300)])
    parts = [step for step, _ in below([first]) if step.prompt == context]
    assert [len(step.waiting) for step in parts] == [128, 128, 44]
    assert parts[1:] == first.then[:2]
    assert len(first.then) == 2 + 300


class Line:
    """Requests named in a tree, asked up to a number at a time, of which the first is answered."""

    def __init__(self, tree: dict[str, list[str]], room: int) -> None:
        self.tree = tree
        names = (f"n{number}" for number in count())
        self.following = Following(self.requests(tree[""], 0), names, 4, room)
        self.order: list[str] = []
        self.widest = 0

    def requests(self, keys: list[str], shared: int) -> Iterator[StepRequest]:
        for key in keys:
            prompt, then = (0,) * (shared + 4), self.tree.get(key, [])
            follow = self.requests(then, len(prompt))
            yield StepRequest(key, prompt, None, None, len(then), follow)

    def run(self, window: int) -> list[str]:
        running: list[Asked] = []
        while True:
            while len(running) < window and (asked := self.following.take(not running)):
                running.append(asked)
                self.order.append(asked.request.key)
                if asked.before is not None:
                    assert asked.before.request.key in self.order
            if not running:
                return self.order
            self.widest = max(self.widest, sum(asked.blocks for asked in running))
            self.following.answered(running.pop(0))


TREE = {"": ["a", "b", "c"], "a": ["a1", "a2"], "a1": ["a11"], "b": ["b1"], "c": ["c1"]}
EVERY = sorted(key for keys in TREE.values() for key in keys)


def test_what_follows_an_answered_request_goes_before_what_follows_nothing() -> None:
    assert Line(TREE, 100).run(1) == ["a", "a1", "a11", "a2", "b", "b1", "c", "c1"]
    assert Line(TREE, 100).run(3) == ["a", "b", "c", "a1", "a2", "b1", "a11", "c1"]


def test_no_more_is_opened_than_there_is_room_for() -> None:
    # Each that is followed takes three blocks: one of its own four tokens, and two kept.
    narrow = Line(TREE, 6)
    assert sorted(narrow.run(8)) == EVERY
    assert narrow.widest == 6
    wide = Line(TREE, 100)
    assert sorted(wide.run(8)) == EVERY
    assert wide.widest == 9
    # Where there is no room at all, one goes after the other.
    assert sorted(Line(TREE, 0).run(8)) == EVERY
