"""Item data: in small files, harmless as scripts, whole when asked for."""

import json
import re

import pytest

from leaderboards.board import Way
from leaderboards.pages.items import LONG, in_words, item_value, right, task_scripts
from tests.leaderboards.records import item, record, record_of

NASTY = [
    "</script><script>alert(1)</script>",
    "\u202eback \x00 nul \u2028",
    "x" * 1_000_000,
    "\ud800",
]


def scripts(cells, *, nearest=None, shown=True):
    found = dict(task_scripts(cells, "accuracy", "items/t", nearest or {}, shown=shown))
    values = {}
    for name, text in found.items():
        text.encode("ascii")
        assert "<" not in text
        key, value = re.fullmatch(r"benchData\((\"[^\"]*\"), (.*)\);\n", text).groups()
        assert json.loads(key) == name
        values[name] = json.loads(value)
    return values


def test_every_answer_is_there_the_long_ones_in_files_of_their_own():
    rows = [item(i, 1, answer=answer) for i, answer in enumerate(NASTY)]
    found = scripts({"tiny": {Way(): record_of("tiny", "one", rows)}})
    answers = found["items/t/0-0.js"]
    assert [row["answer"] for row in answers] == [text[:LONG] for text in NASTY]
    assert answers[2]["length"] == 1_000_000
    assert found[answers[2]["rest"]] == NASTY[2]
    assert "rest" not in answers[0]
    assert found["items/t/text-0.js"][1] == {"input": "Is 1 prime?", "target": ["yes"]}


def test_texts_are_cut_into_files_and_the_starts_say_where():
    rows = [item(i, 1, answer="y" * 1900, input="z" * 3000) for i in range(300)]
    found = scripts({"tiny": {Way(): record_of("tiny", "one", rows)}})
    for stem, index in (("text", "items"), ("0", "0")):
        starts = found[f"items/t/{index}.js"]["starts"]
        files = [found[f"items/t/{stem}-{number}.js"] for number in range(len(starts))]
        assert len(files) > 1
        lengths = [len(file) for file in files]
        assert starts == [sum(lengths[:number]) for number in range(len(lengths))]
        assert sum(lengths) == 300


def test_models_are_aligned_by_item_and_draw():
    cells = {
        "a": {Way(): record("a", "one", [1, 0]), Way(1): record("a", "one", [1], draw=1)},
        "b": {Way(): record("b", "one", [0, "?", None])},
    }
    found = scripts(cells)
    keys = found["items/t/items.js"]["keys"]
    assert keys == [["i0000", 0], ["i0000", 1], ["i0001", 0], ["i0002", 0]]
    assert [row and row[:3] for row in found["items/t/0.js"]["rows"]] == [
        ["ok", True, 1.0],
        ["ok", True, 1.0],
        ["ok", False, 0.0],
        None,
    ]
    assert [row and row[0] for row in found["items/t/1.js"]["rows"]] == [
        "ok",
        None,
        "unparseable",
        "error",
    ]


def test_leaks_are_marked_with_what_was_found():
    hit = {"source": "example:x", "kind": "whole", "share": 1.0, "span": "is 0 prime"}
    leak = {"sources": 1, "hits": [hit]}
    rows = [item(0, 1, flags=["leaked"]) | {"leak": leak}, item(1, 1)]
    found = scripts({"a": {Way(): record_of("a", "one", rows)}})
    assert [row[4] for row in found["items/t/0.js"]["rows"]] == [1, 0]
    assert found["items/t/0-0.js"][0]["leak"]["span"] == "is 0 prime"


def test_hidden_text_leaves_outcomes_alone():
    found = scripts({"a": {Way(): record("a", "one", [1, "?"])}}, shown=False)
    assert set(found) == {"items/t/items.js", "items/t/0.js"}
    assert [row[0] for row in found["items/t/0.js"]["rows"]] == ["ok", "unparseable"]


def test_nearest_examples_stand_with_the_answer():
    near = {"b": lambda item: [(f"near-{item['id']}", 0.5, 3)]}
    cells = {name: {Way(): record(name, "one", [1])} for name in "ab"}
    found = scripts(cells, nearest=near)
    assert "near" not in found["items/t/0-0.js"][0]
    assert found["items/t/1-0.js"][0]["near"] == [["near-i0000", 0.5, 3]]


@pytest.mark.parametrize(
    ("aggregation", "found", "value", "full", "words"),
    [
        ("mean_score", 1, 1.0, True, ""),
        ("mean_score", 0.5, 0.5, False, "0.50"),
        ("micro_f1", [2, 0, 0], 1.0, True, "2 found, 0 too many, 0 missed"),
        ("micro_f1", [2, 0, 1], 0.8, False, "2 found, 0 too many, 1 missed"),
        ("micro_f1", [0, 0, 0], 1.0, True, "0 found, 0 too many, 0 missed"),
        ("macro_f1", [3, 3], 1.0, True, ""),
        ("macro_f1", [3, -1], 0.0, False, ""),
        ("macro_f1_counts", [1, 0, 0, 5, 0, 0], 1.0, True, "6 found, 0 too many, 0 missed"),
        ("macro_f1_counts", [0, 0, 0, 0, 1, 0], 0.0, False, "0 found, 1 too many, 0 missed"),
        ("mean_score", None, None, None, ""),
        # What is no count of found, missed and too many is not called so.
        ("bleu", ["Paris", "Rome"], None, None, ""),
        ("brier_score", [1, [0.25, 0.75]], None, None, ""),
        ("m.macro_f1", [1, 0], None, None, ""),
        ("weighted_perplexity", [-12.5, 4], None, None, ""),
    ],
)
def test_an_items_score_as_a_number_a_verdict_and_words(aggregation, found, value, full, words):
    assert item_value(found, aggregation) == value
    assert right(found, aggregation) is full
    assert in_words(found, aggregation) == words
