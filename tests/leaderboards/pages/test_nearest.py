"""Nearest examples: by shared rare words, or as an explanation says."""

import json

import pytest

from harness.doors.seals import sealed
from harness.errors import UserError
from leaderboards.pages.nearest import Near, WordIndex, read_explained

TEXTS = {
    "a": "The kidney filters blood and makes urine.",
    "b": "The heart pumps blood through the body.",
    "c": "The lungs take in oxygen.",
}


def test_the_text_with_the_same_rare_words_comes_first():
    found = WordIndex(TEXTS).nearest("Which organ pumps blood? The heart")
    assert [near.example for near in found] == ["b", "a"]
    assert 1 >= found[0].similarity > found[1].similarity > 0


def test_a_text_is_nearest_to_itself():
    (first, *_) = WordIndex(TEXTS).nearest(TEXTS["c"])
    assert (first.example, first.similarity) == ("c", 1.0)


def test_a_word_that_all_texts_hold_says_nothing():
    assert WordIndex(TEXTS).nearest("The the THE") == []
    assert WordIndex(TEXTS).nearest("") == []


def test_the_order_of_the_texts_does_not_matter():
    same = dict.fromkeys("dcba", "one and the same") | {"e": "another"}
    turned = dict(reversed(same.items()))
    assert WordIndex(same).nearest("the same") == WordIndex(turned).nearest("the same")
    assert [near.example for near in WordIndex(same).nearest("the same")] == ["a", "b", "c"]


OF = {"weights": "w", "artifact": "a", "task": "t"}


def explained(tmp_path, content):
    path = tmp_path / "explain" / "selfspec-tiny" / "one@5.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    return read_explained(tmp_path, "selfspec-tiny", "one", 5, OF)


def test_an_explanation_is_read(tmp_path):
    near = {"example": "task-1", "similarity": 0.51234, "text": {}}
    content = {"of": OF, "items": [{"id": "i1", "nearest": [near]}]}
    assert explained(tmp_path, json.dumps(sealed(content))) == {"i1": [Near("task-1", 0.512)]}
    assert read_explained(tmp_path, "selfspec-tiny", "one", 0, OF) is None
    # Of another artifact, weights or task, or of nobody knows what: none.
    assert read_explained(tmp_path, "selfspec-tiny", "one", 5, OF | {"artifact": "b"}) is None


@pytest.mark.parametrize("of", [{}, {"of": {"weights": "w"}}])
def test_an_explanation_that_does_not_say_of_what_is_none(tmp_path, of):
    assert explained(tmp_path, json.dumps({**of, "items": []})) is None


def test_a_changed_explanation_is_named(tmp_path):
    content = sealed({"of": OF, "items": []})
    with pytest.raises(UserError, match=r"one@5\.json: .*changed since it was written, in items"):
        explained(tmp_path, json.dumps(content | {"items": [{"id": "i1"}]}))


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"of": OF, "items": [{"id": 1}]})])
def test_a_damaged_explanation_is_named(tmp_path, content):
    with pytest.raises(UserError, match=r"one@5\.json: not an explanation"):
        explained(tmp_path, content)
