"""Which candidate tasks are kept; each refusal carries the filter and the reason.

The rules on length, words a text model cannot obey, first character, copies
and novelty are those of Self-Instruct, Alpaca and Dromedary; the ones on
missing, thin and restating inputs, placeholders, chatter, loops and language
answer what small models were seen to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.types import Seed
from specializers.rouge import NoveltyPool, words
from specializers.selfspec.wording import (
    is_foreign,
    is_loop,
    is_order_or_question,
    plain,
    restates,
    sentences,
)

# What a text model cannot see, make or open (Self-Instruct's list).
_BLACKLIST = re.compile(
    r"\b(images?|graphs?|pictures?|files?|maps?|draw|plots?|videos?|audio|music|flowcharts?"
    r"|diagrams?|go to)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"\[(?:insert|your|name|text|input|enter|topic|title|sentence)\b[^\]]*\]"
    r"|<(?:insert|your|text|input|sentence|passage|no ?input|none)[^>]*>"
    r"|lorem ipsum|\bx{3,}\b|\.{3,}\s*$",
    re.IGNORECASE,
)
_TEXT_NOUNS = (
    r"(?:sentences?|passages?|paragraphs?|abstracts?|articles?|texts?|excerpts?|notes?|contexts?"
    r"|reports?|statements?|comments?|reviews?|posts?|evidence|vignettes?|letters?|extracts?"
    r"|summary|dialogues?|records?)"
)
_NEEDS_TEXT = re.compile(
    r"\b(?:following|below|above)\b"
    r"|\b(?:the|this|these|given|each|two|supplied|provided)\s+(?:\w+\s+){0,2}"
    + _TEXT_NOUNS
    + r"\b|^(?:summari[sz]e|condense|shorten|paraphrase|reword|rewrite|translate)\b",
    re.IGNORECASE,
)
_TWO_TEXTS = re.compile(
    r"\b(?:two|both)\s+(?:\w+\s+)?(?:sentences|statements|claims|passages|texts)\b"
    r"|\bpremise\b.*\bhypothesis\b",
    re.IGNORECASE | re.DOTALL,
)
# What an assistant says of itself instead of writing a text or an answer.
_CHATTER = re.compile(
    r"\bas an ai\b|\blanguage model\b|\b(?:am|'m|’m) here to (?:help|assist)\b"
    r"|\bi can(?:not|'t|’t)? help you\b|\b(?:i'm|i’m|i am) sorry, (?:but|i)\b"
    r"|\bhere (?:is|are) (?:the|a|an|some) (?:\w+ )?(?:task|instruction|example)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Refusal:
    """Why a candidate was dropped."""

    filter: str
    reason: str


def speaks_of_a_text(instruction: str) -> bool:
    """Does the instruction name a text that it is about ("the passage", "below")?"""
    return _NEEDS_TEXT.search(instruction) is not None


def is_chatter(text: str) -> bool:
    """Does an assistant speak here of itself?"""
    return _CHATTER.search(text) is not None


class InstructionFilters:
    """Judges candidates in order; what it accepts becomes part of the pool of novelty.

    Args:
        meaning: asked last, with name, instruction and input (`SemanticNovelty.judge`).
    """

    def __init__(
        self,
        seeds: Sequence[Seed],
        *,
        min_words: int,
        max_words: int,
        max_sentences: int,
        min_input_words: int,
        max_input_words: int,
        novelty: str,
        threshold: float,
        meaning: Callable[[str, str, str], Refusal | None] | None = None,
    ) -> None:
        self._meaning = meaning
        self._min_words = min_words
        self._max_words = max_words
        self._max_sentences = max_sentences
        self._min_input_words = min_input_words
        self._max_input_words = max_input_words
        self._with_input = novelty == "instruction+input"
        self._threshold = threshold
        self._seeds = {plain(seed.instruction, seed.input): seed.id for seed in seeds}
        self._seed_inputs = {plain(seed.input): seed.id for seed in seeds if seed.input}
        self._inputs: set[str] = set()
        self._pool = NoveltyPool()
        for seed in seeds:
            self._pool.add(seed.id, self._novelty_text(seed.instruction, seed.input))

    def judge(self, name: str, instruction: str, input_text: str) -> Refusal | None:
        """None if the candidate is kept (and remembered under `name`)."""
        refusal = next(self._refusals(instruction, input_text), None)
        if refusal:
            return refusal
        text = self._novelty_text(instruction, input_text)
        near = self._pool.nearest(text, above=self._threshold)
        if near:
            return Refusal("novelty", f"ROUGE-L {near[1]:.2f} to {near[0]}")
        if self._meaning and (refusal := self._meaning(name, instruction, input_text)):
            return refusal
        self._pool.add(name, text)
        if input_text:
            self._inputs.add(plain(input_text))
        return None

    def form(self, instruction: str, input_text: str) -> Refusal | None:
        """None if the candidate's form is sound, whatever came before it; nothing is remembered."""
        return next(self._form(instruction, input_text), None)

    def _novelty_text(self, instruction: str, input_text: str) -> str:
        return f"{instruction} {input_text}" if self._with_input else instruction

    def _refusals(self, instruction: str, input_text: str) -> Iterator[Refusal]:
        yield from self._form(instruction, input_text)
        if input_text:
            yield from self._copies(instruction, input_text)
        if seed := self._seeds.get(plain(instruction, input_text)):
            yield Refusal("copy", f"of {seed}")

    def _form(self, instruction: str, input_text: str) -> Iterator[Refusal]:
        count = len(instruction.split())
        if not self._min_words <= count <= self._max_words:
            yield Refusal("length", f"{count} words, not {self._min_words} to {self._max_words}")
        if (count := len(sentences(instruction))) > self._max_sentences:
            yield Refusal("sentences", f"{count} sentences, over {self._max_sentences}")
        least, most = self._min_input_words, self._max_input_words
        if input_text and not least <= (count := len(input_text.split())) <= most:
            yield Refusal("input_length", f"{count} words of input, not {least} to {most}")
        if not (instruction[0].isascii() and instruction[0].isalnum()):
            yield Refusal("first_character", f"begins with {instruction[0]!r}")
        if instruction.endswith(":"):
            yield Refusal("open_end", "ends in a colon")
        yield from self._unusable(instruction, input_text)

    def _unusable(self, instruction: str, input_text: str) -> Iterator[Refusal]:
        if is_foreign(f"{instruction} {input_text}"):
            yield Refusal("language", "not English")
        if not is_order_or_question(instruction):
            yield Refusal("statement", "neither an order nor a question")
        if word := _BLACKLIST.search(instruction):
            yield Refusal("blacklist", f"asks for '{word.group(0).lower()}'")
        if place := _PLACEHOLDER.search(instruction) or _PLACEHOLDER.search(input_text):
            yield Refusal("placeholder", f"'{place.group(0)[:40]}' stands for a text")
        if not input_text and speaks_of_a_text(instruction):
            yield Refusal("missing_input", "speaks of a text that is not there")
        if input_text and _TWO_TEXTS.search(instruction) and len(sentences(input_text)) < 2:
            yield Refusal("missing_input", "speaks of two texts, and one is there")
        if is_chatter(f"{instruction}\n{input_text}"):
            yield Refusal("chatter", "an assistant speaks of itself")
        if is_loop(input_text) or is_loop(instruction):
            yield Refusal("loop", "repeats itself")

    def _copies(self, instruction: str, input_text: str) -> Iterator[Refusal]:
        if words(input_text) == words(instruction):
            yield Refusal("copy", "the input is the instruction")
        elif restates(input_text, instruction):
            yield Refusal("restated", "the input says the instruction again")
        if len(sentences(input_text)) == 1 and input_text.endswith("?") and _asks(instruction):
            yield Refusal("restated", "the input is one more question")
        if seed := self._seed_inputs.get(plain(input_text)):
            yield Refusal("copy", f"of the input of {seed}")
        if plain(input_text) in self._inputs:
            yield Refusal("copy", "an earlier example has the same input")


def _asks(instruction: str) -> bool:
    """Is the instruction itself what is asked, rather than how to answer the input's question?"""
    return "question" not in instruction.lower() and not re.search(
        r"\b(?:yes|no|true|false)\b", instruction, re.IGNORECASE
    )
