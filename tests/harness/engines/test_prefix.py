"""The planner on random forests: everything answered, each node computed once, budgets kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engines.prefix import Forest, Pass, covered, flatten, plan_packed, plan_rows

# Few different tokens, so that random sequences share beginnings.
SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12)


def prefixes(sequences: list[list[int]]) -> set[tuple[int, ...]]:
    return {tuple(s[:n]) for s in sequences for n in range(1, len(s) + 1)}


@given(SEQUENCES)
def test_a_forest_counts_its_nodes(sequences: list[list[int]]) -> None:
    forest = Forest(sequences)
    assert forest.nodes == len(prefixes(sequences))
    assert forest.asked == sum(map(len, sequences))
    ordered = [sequences[i] for i in forest.order]
    assert ordered == sorted(sequences)
    for s, sequence in enumerate(ordered):
        assert forest.tokens(s, 0, len(sequence)).tolist() == sequence


@given(SEQUENCES, st.data())
def test_a_resumed_job_counts_what_is_left(sequences: list[list[int]], data: st.DataObject) -> None:
    forest = Forest(sequences)
    waiting = np.array([data.draw(st.booleans()) for _ in sequences])
    left = [sequences[i] for i, open_ in zip(forest.order, waiting, strict=True) if open_]
    assert forest.count(waiting) == (sum(map(len, left)), len(prefixes(left)))


@settings(max_examples=300)
@given(SEQUENCES, st.integers(1, 30), st.data())
def test_packed_passes_see_each_node_once(
    sequences: list[list[int]], budget: int, data: st.DataObject
) -> None:
    forest = Forest(sequences)
    first = np.array([data.draw(st.integers(0, int(n) - 1)) for n in forest.length])
    cached: tuple[int, ...] = ()
    seen: list[tuple[int, ...]] = []
    read: dict[int, list[int]] = {s: [] for s in range(len(forest))}
    for step in plan_packed(forest, budget):
        assert 0 < step.size <= budget
        cached = cached[: step.depth]
        assert len(cached) == step.depth
        flat = flatten(forest, step, first)
        assert len(flat.tokens) == step.size
        pasts = []
        for place in range(step.size):
            ancestors = np.flatnonzero(flat.visible[place])
            assert ancestors[-1] == place
            pasts.append(cached + tuple(flat.tokens[ancestors].tolist()))
            assert flat.positions[place] == len(pasts[-1]) - 1
        seen += pasts
        for s, start, places in flat.reads:
            for depth, place in enumerate(places.tolist(), start):
                assert pasts[place] == tuple(forest.tokens(s, 0, depth + 1).tolist())
                read[s].append(depth)
        cached += tuple(flat.tokens[: step.keep - step.depth].tolist())
    assert len(seen) == len(set(seen)) == forest.nodes
    for s, depths in read.items():
        assert sorted(depths) == list(range(int(first[s]), int(forest.length[s])))


@given(SEQUENCES, st.integers(2, 30), st.integers(1, 10))
def test_a_pass_that_ran_out_of_memory_is_planned_again(
    sequences: list[list[int]], budget: int, smaller: int
) -> None:
    forest = Forest(sequences)
    for step in plan_packed(forest, budget):
        again = list(plan_packed(forest, smaller, within=step))
        assert sum(part.size for part in again) == step.size
        assert all(part.size <= smaller for part in again)
        assert all(part.depth >= step.depth for part in again)


@settings(max_examples=300)
@given(SEQUENCES, st.integers(1, 30), st.booleans())
def test_rows_answer_every_sequence(sequences: list[list[int]], budget: int, share: bool) -> None:
    forest = Forest(sequences)
    path: tuple[int, ...] = ()
    computed: dict[int, set[int]] = {s: set() for s in range(len(forest))}
    for step in plan_rows(forest, budget, share, least=2):
        path = path[: step.depth]
        assert len(path) == step.depth
        if not share:
            assert step.depth == step.keep == 0
        if step.keep > step.depth:
            assert step.size <= budget
            path += tuple(forest.tokens(step.cover[0], step.depth, step.keep).tolist())
            for s in range(*step.cover):
                computed[s].update(range(step.depth, min(step.keep, int(forest.length[s]))))
        if step.rows:
            assert step.size <= budget or len(step.rows) == 1
        for row in step.rows:
            assert tuple(forest.tokens(row, 0, step.depth).tolist()) == path
            for s in covered(forest, row):
                computed[s].update(range(step.depth, int(forest.length[s])))
    for s, depths in computed.items():
        assert depths == set(range(int(forest.length[s])))


def test_an_evaluation_is_planned_as_a_person_would() -> None:
    shots = list(range(100, 160))
    sequences = [
        [*shots, 1000 + item, 1, 2, 3, 7, answer, answer + 1]
        for item in range(20)
        for answer in (40, 50, 60)
    ]
    forest = Forest(sequences)
    assert forest.nodes == 60 + 20 * (5 + 3 * 2)
    steps = list(plan_packed(forest, 80))
    assert steps[0] == Pass(0, 60, (0, 60), ranges=((0, 3),), size=60 + 11)
    assert all(step.depth == step.keep == 60 for step in steps[1:])
    assert len(steps) == 1 + 3  # 19 documents of 11 tokens, 7 to a pass


def test_nothing_asked_is_nothing_planned() -> None:
    assert list(plan_packed(Forest([]), 10)) == []
    assert list(plan_rows(Forest([]), 10, share=True)) == []
