"""Which candidates become training examples; each refusal carries the filter and the reason.

A filter is a function from a candidate to a reason, "" meaning "keep". The
rules on length, words a text model cannot obey, first character, copies and
novelty are those of Self-Instruct, Alpaca and Dromedary; the ones on missing
text, placeholders, loops and language answer what small models were seen to
write.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.types import Seed
from specializers.rouge import NoveltyPool, words

# What a text model cannot see, make or open (Self-Instruct's list).
_BLACKLIST = re.compile(
    r"\b(images?|graphs?|pictures?|files?|maps?|draw|plots?|videos?|audio|music|flowcharts?"
    r"|diagrams?|go to)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"\[(?:insert|your|name|text|input|enter|topic|title|sentence)\b[^\]]*\]"
    r"|<(?:insert|your|text|input|sentence|passage|no ?input|none)[^>]*>"
    r"|lorem ipsum|\bx{3,}\b|\.{3,}\s*$|_{3,}",
    re.IGNORECASE,
)
_NEEDS_TEXT = re.compile(
    r"\b(?:the|this|these|following|given|each|supplied|provided)\s+(?:\w+\s+){0,2}"
    r"(?:sentences?|passages?|paragraphs?|abstracts?|texts?|excerpts?|notes?|contexts?|reports?"
    r"|statements?|comments?|reviews?|posts?|evidence|vignettes?|letters?|extracts?|summary)\b",
    re.IGNORECASE,
)
# Function words of other languages in Latin script that are no English words.
_FOREIGN = frozenset(
    {"der", "und", "nicht", "ist", "eine", "mit", "für", "auf"}
    | {"les", "dans", "est", "une", "pour", "sur", "avec", "des"}
    | {"los", "las", "del", "por", "para", "una", "como", "que"}
    | {"nel", "della", "che", "sono", "gli", "het", "een", "voor", "não", "uma", "são"}
)
_ENGLISH = frozenset(
    {"the", "of", "and", "to", "in", "a", "is", "was", "were", "are", "that", "for"}
    | {"with", "by", "on", "as", "at", "be", "from", "or", "it", "this", "which", "an"}
)


@dataclass(frozen=True)
class Refusal:
    """Why a candidate was dropped."""

    filter: str
    reason: str


def is_loop(text: str) -> bool:
    """Does the text go round in circles (under half of its three-word runs are new)?"""
    tokens = text.lower().split()
    if len(tokens) < 24:
        return False
    runs = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return len(set(runs)) < 0.5 * len(runs)


def is_foreign(text: str) -> bool:
    """Is the text in another script, or in another language by its function words?"""
    letters = [char for char in text if char.isalpha()]
    # Greek letters name genes and proteins: up to one letter in ten may be non-Latin.
    if sum(ord(char) > 0x24F for char in letters) * 10 > len(letters):
        return True
    tokens = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(token in _FOREIGN for token in tokens)
    return foreign >= 3 and foreign > sum(token in _ENGLISH for token in tokens)


class InstructionFilters:
    """Judges candidates in order; what it accepts becomes part of the pool of novelty."""

    def __init__(
        self,
        seeds: Sequence[Seed],
        *,
        min_words: int,
        max_words: int,
        max_input_words: int,
        novelty: str,
        threshold: float,
    ) -> None:
        self._min_words = min_words
        self._max_words = max_words
        self._max_input_words = max_input_words
        self._with_input = novelty == "instruction+input"
        self._threshold = threshold
        self._seeds = {_same(seed.instruction, seed.input): seed.id for seed in seeds}
        self._seed_inputs = {_same(seed.input): seed.id for seed in seeds if seed.input}
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
        self._pool.add(name, text)
        if input_text:
            self._inputs.add(_same(input_text))
        return None

    def _novelty_text(self, instruction: str, input_text: str) -> str:
        return f"{instruction} {input_text}" if self._with_input else instruction

    def _refusals(self, instruction: str, input_text: str) -> Iterator[Refusal]:
        count = len(instruction.split())
        if not self._min_words <= count <= self._max_words:
            yield Refusal("length", f"{count} words, not {self._min_words} to {self._max_words}")
        if len(input_text.split()) > self._max_input_words:
            yield Refusal("input_length", f"over {self._max_input_words} words of input")
        if not (instruction[0].isascii() and instruction[0].isalnum()):
            yield Refusal("first_character", f"begins with {instruction[0]!r}")
        if instruction.endswith(":"):
            yield Refusal("open_end", "ends in a colon")
        if word := _BLACKLIST.search(instruction):
            yield Refusal("blacklist", f"asks for '{word.group(0).lower()}'")
        if place := _PLACEHOLDER.search(instruction) or _PLACEHOLDER.search(input_text):
            yield Refusal("placeholder", f"'{place.group(0)[:40]}' stands for a text")
        if not input_text and _NEEDS_TEXT.search(instruction):
            yield Refusal("missing_input", "speaks of a text that is not there")
        if is_foreign(f"{instruction} {input_text}"):
            yield Refusal("language", "not English")
        if is_loop(input_text) or is_loop(instruction):
            yield Refusal("loop", "repeats itself")
        if input_text:
            yield from self._copies(instruction, input_text)
        if seed := self._seeds.get(_same(instruction, input_text)):
            yield Refusal("copy", f"of {seed}")

    def _copies(self, instruction: str, input_text: str) -> Iterator[Refusal]:
        if words(input_text) == words(instruction):
            yield Refusal("copy", "the input is the instruction")
        if seed := self._seed_inputs.get(_same(input_text)):
            yield Refusal("copy", f"of the input of {seed}")
        if _same(input_text) in self._inputs:
            yield Refusal("copy", "an earlier example has the same input")


class ResponseFilters:
    """Judges answers in order; keeps one short answer from crowding out the others.

    `label_share`: among answers of at most three words, no single one may make
    up more than this share once `label_floor` of it are in; 1 turns it off.
    """

    def __init__(self, *, label_share: float, label_floor: int) -> None:
        self._share = label_share
        self._floor = label_floor
        self._labels: Counter[str] = Counter()

    def judge(self, instruction: str, input_text: str, output: str, cut: bool) -> Refusal | None:
        """None if the answer is kept (and counted)."""
        refusal = next(_answer_refusals(instruction, input_text, output, cut), None)
        if refusal:
            return refusal
        label = " ".join(words(output))
        if len(output.split()) <= 3:
            total, seen = self._labels.total() + 1, self._labels[label] + 1
            if seen > self._floor and seen > self._share * total:
                return Refusal("balance", f"'{label}' is already {seen - 1} of {total - 1} labels")
            self._labels[label] += 1
        return None


def _answer_refusals(
    instruction: str, input_text: str, output: str, cut: bool
) -> Iterator[Refusal]:
    if not words(output):
        yield Refusal("empty", "no word in the answer")
    if cut:
        yield Refusal("cut", "reached the token limit")
    if words(output) in (words(input_text), words(instruction)):
        yield Refusal("copied", "the answer is the task")
    if output.endswith(":"):
        yield Refusal("open_end", "ends in a colon")
    if is_foreign(output):
        yield Refusal("language", "not English")
    if is_loop(output):
        yield Refusal("loop", "repeats itself")


def _same(*texts: str) -> str:
    """A text by which two that differ in case, spacing or punctuation are the same."""
    return "\n".join(" ".join(words(text)) for text in texts)
