"""Models are compared only where they were asked in the same words."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.build import build
from leaderboards.pages.write import write_pages
from leaderboards.records.prompts import asked_alike, first_other
from leaderboards.records.rows import row_key
from leaderboards.spec import BoardSpec
from leaderboards.text.render import render_markdown
from tests.leaderboards.records import record

SPEC = BoardSpec("made_up", resamples=200)


def asked(made, words, **manifest):
    """The record with these digests of what its items were asked; None is not kept."""
    items = tuple(
        item if word is None else item | {"asked_sha256": word * 64}
        for item, word in zip(made.items, words, strict=True)
    )
    return dataclasses.replace(made, items=items, manifest={**made.manifest, **manifest})


def pair(one="aaa", two="aaa", **manifest):
    base = asked(record("tiny", "t", [1, 0, 0]), one)
    return base, asked(record("selfspec-tiny", "t", [1, 1, 0]), two, **manifest)


def differences(board):
    return [
        cell.difference
        for section in board.sections
        for row in section.rows
        for cell in row.cells
        if cell is not None and cell.difference is not None
    ]


def test_equal_prompts_are_compared():
    board = build(pair(), SPEC)
    assert len(differences(board)) == 1
    assert not any("not compared" in note for note in board.notes)


def test_other_prompts_are_not_and_the_first_item_is_named():
    board = build(pair(two="aba"), SPEC)
    assert differences(board) == []
    (section,) = board.sections
    assert len(section.columns) == 2
    assert len({column.version for column in section.columns}) == 2
    (note,) = [note for note in board.notes if "not compared" in note]
    assert "1 of 3 prompts are not those of the other rows, the first that of item i0001" in note
    for row in section.rows:  # nor ranked, nor averaged over
        assert [cell is None for cell in row.cells].count(False) == 1
        assert all(cell is None or cell.to_best is None for cell in row.cells)


def test_records_from_before_tell_it_by_what_was_sent():
    one, two = record("tiny", "t", [1, 0]), record("other", "t", [1, 1])
    items = (two.items[0] | {"prompt_sha256": "f" * 64}, two.items[1])
    other = dataclasses.replace(two, items=items)
    assert first_other(one, two) is None
    assert first_other(one, other) == "i0000"
    cut = dataclasses.replace(two, items=(items[0] | {"cut_tokens": 3}, items[1]))
    chats = [dataclasses.replace(r, manifest=r.manifest | {"chat": True}) for r in (one, other)]
    rewritten = dataclasses.replace(
        other, manifest=other.manifest | {"specializer": "rag", "artifact_facts": {}}
    )
    assert first_other(one, cut) is None
    assert first_other(*chats) is None
    assert first_other(one, rewritten) is None


@given(st.lists(st.text("ab", min_size=3, max_size=3), min_size=1, max_size=6), st.randoms())
def test_a_part_holds_no_two_that_differ_whatever_their_order(words, random):
    made = [asked(record(f"m{n}", "t", [1, 0, 1]), word) for n, word in enumerate(words)]
    parts = asked_alike(made)
    for part in parts:
        assert all(first_other(*two) is None for two in itertools.combinations(part, 2))
    assert len(parts) == len(set(words))
    shuffled = random.sample(made, len(made))
    again = asked_alike(shuffled)
    assert [[row_key(r) for r in part] for part in again] == [
        [row_key(r) for r in part] for part in parts
    ]


@given(st.text("a-", min_size=3, max_size=3), st.text("a-", min_size=3, max_size=3))
def test_what_a_record_does_not_say_stands_against_nothing(one, two):
    words = [[None if c == "-" else c for c in text] for text in (one, two)]
    made = [asked(record(f"m{n}", "t", [1, 0, 1]), w) for n, w in enumerate(words)]
    assert len(asked_alike(made)) == 1


def test_a_specializer_that_rewrote_no_prompt_says_so():
    told = "rewrote none of the 3 prompts"
    some, none = (build(pair(artifact_facts={}, rewritten=count), SPEC).notes for count in (2, 0))
    assert not any(told in note for note in some)
    assert any("selfspec-tiny on t, 0-shot" in note and told in note for note in none)


def grouped():
    facts = {"alias": "All of it", "version": "1", "tasks": ["one", "two"],
             "metrics": [
                 {"metric": "accuracy", "filters": None, "weight_by_size": True}]}  # fmt: skip
    made = []
    for task, values in (("one", [1, 0]), ("two", [1, 1, 1, 0])):
        whole = record("tiny", task, values, groups={"g": facts})
        score = sum(values) / len(values)
        summary = {**whole.summary, "metrics": {"accuracy": score}}
        made.append(dataclasses.replace(whole, summary=summary))
    return made


@pytest.mark.parametrize("suite", ["a_suite", "the_last_suite"])
def test_another_suites_task_of_one_name_is_not_in_the_group(suite):
    other = record("tiny", "one", [0, 0], suite=suite)
    summary = {**other.summary, "metrics": {"accuracy": 0.0}}
    made = [*grouped(), dataclasses.replace(other, summary=summary)]
    (found,) = build(made, BoardSpec("", resamples=100)).groups
    assert (found.score, found.n) == (pytest.approx(4 / 6), 6)


def test_groups_scores_stand_on_the_page(tmp_path):
    made = grouped()
    board = build(made, SPEC)
    assert "| All of it (accuracy)" in render_markdown(board).replace("\\", "")
    write_pages(board, made, SPEC, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "groups, as lm-eval averages them" in page
    assert "All of it (accuracy)" in page
    assert "66.7" in page  # 4 of 6, weighted by size; unweighted it were 62.5
