"""Thoughts are set apart while a model writes: what stands in them ends nothing and is no answer.

The oracle is the reader of whole texts that servers' answers go through.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.engines.served.reply import Written
from harness.engines.served.response import response_of
from harness.engines.thoughts import MARKS
from harness.engines.writing import Writing
from harness.types import Decoding

END = "\x03"
TEXT = st.text(alphabet="no yes\n.<|", max_size=12)


class Characters:
    """A token a character; the end is a special token."""

    eos_text = END

    def decode(self, ids):
        return self.decode_all(ids).replace(END, "")

    def decode_all(self, ids):
        return "".join(map(chr, ids))


class Pairs(Characters):
    """Tokens of two characters: a closing mark and the answer may share one."""

    def decode_all(self, ids):
        return "".join(chr(i // 256) + (chr(i % 256) if i % 256 else "") for i in ids)


def ids_of(text, pairs):
    if not pairs:
        return [*map(ord, text), ord(END)]
    text += "" if len(text) % 2 == 0 else "\0"
    return [ord(a) * 256 + ord(b) for a, b in zip(text[::2], text[1::2], strict=True)]


def written(text, *, stop=("\n\n",), most=500, prompt="", room=0, pairs=False, whole=False):
    tokens = Pairs() if pairs else Characters()
    asked = tuple(ids_of(prompt, pairs)[: None if pairs else -1])
    decoding = Decoding(most, stop=tuple(stop))
    one = Writing(0, asked, 0, decoding, tokens, frozenset({ord(END)}), room)
    ids = ids_of(text, pairs)
    if whole:
        one.take(ids, False)
    else:
        for token in ids:
            if one.finish is None:
                one.add(token)
        one.finish = one.finish or "stop"
    return one.response()


@given(TEXT, TEXT, st.sampled_from([m for m in MARKS if m[0].isascii()]), st.booleans(),
       st.booleans(), st.booleans())  # fmt: skip
def test_what_is_written_is_read_as_a_servers_whole_answer(
    thoughts, answer, mark, opened, pairs, whole
):
    opening, closing = mark
    text = ("" if opened else opening) + thoughts + closing + answer
    assume(not any(sign in thoughts + answer for pair in MARKS for sign in pair))
    found = written(text, prompt=f"Q {opening}\n" if opened else "Q", pairs=pairs, whole=whole)
    theirs = response_of(Written(text, "", "stop"), ["\n\n"], 0, len, opened=opened)
    assert (found.text, found.reasoning) == (theirs.text, theirs.reasoning)
    assert (found.finish == "reasoning") is (theirs.finish == "reasoning")
    assert (found.reasoning_tokens > 0) is (found.reasoning is not None)


@given(TEXT, st.booleans())
def test_a_generation_without_thoughts_is_as_it_was(text, whole):
    found = written(text, whole=whole)
    assert found.reasoning is None
    assert found.text == text.partition("\n\n")[0] or whole


def test_a_stop_string_in_the_thoughts_ends_nothing_and_scores_nothing():
    found = written("<think>Is it no?\n\nNo: yes.</think>\n\nyes\n\nno")
    assert (found.text, found.finish) == ("yes", "stop")
    assert found.reasoning == "Is it no?\n\nNo: yes."
    assert found.reasoning_tokens == len("<think>Is it no?\n\nNo: yes.</think>")


@pytest.mark.parametrize(
    "text", ["<think>no, n", "<think>", "<think>no</think>", "<think>no</thin"]
)
def test_thoughts_that_never_end_are_a_finish_of_their_own(text):
    found = written(text)
    assert (found.text, found.finish, found.status) == ("", "reasoning", "ok")


def test_thoughts_take_their_room_and_the_answer_its_own():
    text = "<think>" + "n" * 20 + "</think>" + "y" * 20
    found = written(text, most=5, room=40)
    assert (found.text, found.finish) == ("yyyyy", "length")
    assert written(text, most=5, room=10).finish == "reasoning"
    assert written("y" * 20, most=5, room=40).text == "yyyyy"


def test_channels_are_thoughts_and_an_answer():
    thoughts = "<|channel|>analysis<|message|>no\n\nno<|end|>"
    text = f"{thoughts}<|start|>assistant<|channel|>final<|message|>yes"
    found = written(text)
    assert (found.text, found.finish) == ("yes", "eos")
    assert found.reasoning == "no\n\nno"
