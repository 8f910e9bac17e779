"""Which items changed against the base, and how an example near them is told."""

import json
from io import StringIO

import pytest
from rich.console import Console

from harness.errors import UserErrors
from leaderboards.explain import (
    Explanation,
    as_json,
    find_changes,
    neighbour,
    render_terminal,
)
from leaderboards.pages.nearest import read_explained
from tests.leaderboards.records import item, record, record_of


def pair(before, after, **changes):
    return record("tiny", "t", before, **changes), record("selfspec-tiny", "t", after, **changes)


def told(pairs):
    _, total, changes = find_changes(pairs)
    return total, [(entry.id, entry.draw, entry.change) for entry in changes]


def test_right_and_wrong_by_full_marks():
    total, found = told([pair([1, 0, 1, 0, "?"], [0, 1, 1, 0, 1])])
    assert total == 5
    assert found == [("i0001", 0, "gained"), ("i0004", 0, "gained"), ("i0000", 0, "lost")]


def test_failed_calls_are_not_compared():
    assert told([pair([None, 0, 0], [1, None, 1])]) == (1, [("i0002", 0, "gained")])


def test_counts_are_right_where_nothing_is_missed_or_too_many():
    before = [[1, 0, 0], [1, 1, 0], [0, 0, 1], [2, 1, 1]]
    after = [[1, 0, 1], [1, 0, 0], [0, 0, 1], [3, 0, 1]]
    total, found = told([pair(before, after, aggregation="micro_f1")])
    assert (total, found) == (4, [("i0001", 0, "gained"), ("i0000", 0, "lost")])


def test_gold_and_predicted_label():
    before, after = [[0, 1], [1, 1]], [[0, 0], [1, -1]]
    assert told([pair(before, after, aggregation="macro_f1")])[1] == [
        ("i0000", 0, "gained"),
        ("i0001", 0, "lost"),
    ]


def test_answers_that_are_never_wholly_right_count_by_a_step():
    pairs = [pair([0.30, 0.30, 0.30, 0.0], [0.45, 0.35, 0.10, 0.0])]
    rule, _, changes = find_changes(pairs)
    assert "0.1 or more" in rule
    assert [(c.id, c.change) for c in changes] == [("i0000", "gained"), ("i0002", "lost")]
    assert (changes[0].base_score, changes[0].score) == (0.30, 0.45)


def test_each_draw_is_compared_with_its_own():
    total, found = told([pair([1], [1], draw=0), pair([1], [0], draw=1)])
    assert (total, found) == (2, [("i0000", 1, "lost")])


def test_other_weights_or_versions_are_refused():
    base, _ = pair([1], [1])
    other = record("selfspec-tiny", "t", [0], model_digest="c" * 64, task_version="2")
    with pytest.raises(UserErrors) as caught:
        find_changes([(base, other)])
    assert len(caught.value.messages) == 2
    assert "'task_version' differs ('2', expected '1')" in str(caught.value)


ROW = {
    "id": "task-1",
    "instruction": "Name the herb.",
    "input": "It smells of mint.",
    "output": "mint",
    "seeds": {"instruction": ["s1", "s2"], "response": ["s2", "s3"]},
    "documents": ["p9"],
    "decoding": {"instruction": {"temperature": 0.4}},
    "filters": ["length", "novelty"],
}


def explained(**changes):
    rows = [item(0, 0, answer="no", input="Is it mint?"), item(1, 1, input="Is it sage?")]
    after = [item(0, 1, answer="\x1b[31myes\x07", input="Is it mint?"), item(1, 1, input="?")]
    pairs = [(record_of("tiny", "t", rows), record_of("selfspec-tiny", "t", after))]
    rule, total, found = find_changes(pairs)
    from dataclasses import replace

    found = tuple(replace(c, nearest=(neighbour(ROW, 0.87654),)) for c in found)
    sources = {"seeds": {"s1": "Seed one.\nWith an input."}, "passages": {"p9": "On mint"}}
    return Explanation(
        "selfspec-tiny", "tiny", "t", 0, "accuracy", total, rule, "shared words", found, sources
    )


def test_a_neighbour_knows_what_it_was_made_from():
    found = neighbour(ROW, 0.87654)
    assert (found.example, found.similarity) == ("task-1", 0.8765)
    assert found.seeds == ("s1", "s2", "s3")
    assert found.documents == ("p9",)
    assert found.text == {k: ROW[k] for k in ("instruction", "input", "output")}
    assert found.lineage == {k: ROW[k] for k in ("seeds", "decoding", "filters")}


def test_json_is_what_the_pages_read(tmp_path):
    content = json.loads(json.dumps(as_json(explained())))
    assert (content["compared"], content["gained"], content["lost"]) == (2, 1, 0)
    (entry,) = content["items"]
    assert (entry["id"], entry["change"], entry["base_answer"]) == ("i0000", "gained", "no")
    assert entry["target"] == ["yes"]
    assert entry["nearest"][0]["lineage"]["filters"] == ["length", "novelty"]
    path = tmp_path / "explain" / "selfspec-tiny" / "t@0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    found = read_explained(tmp_path, "selfspec-tiny", "t", 0, content["of"])
    assert [(near.example, near.similarity) for near in found["i0000"]] == [("task-1", 0.876)]


def test_the_terminal_shows_answers_side_by_side_and_no_control_character():
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(render_terminal(explained(), 5))
    shown = text.getvalue()
    assert "2 items: 1 gained, 0 lost" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    for part in ("Is it mint?", "tiny (0.0)", "selfspec-tiny (100.0)", "expected"):
        assert part in shown
    assert "0.88 task-1: Name the herb. → It smells of mint. → mint" in shown
    assert "from seed s1: Seed one. With an input." in shown
    assert "from seed s3" in shown
    assert "from passage p9: On mint" in shown


def test_the_rest_is_counted():
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(render_terminal(explained(), 0))
    assert "... and 1 more gained; --items 1 shows all." in text.getvalue()
