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
from specializers.rouge import NoveltyPool, rouge_l, words

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
_NEEDS_TEXT = re.compile(
    r"\b(?:following|below|above)\b"
    r"|\b(?:the|this|these|given|each|supplied|provided)\s+(?:\w+\s+){0,2}"
    r"(?:sentences?|passages?|paragraphs?|abstracts?|texts?|excerpts?|notes?|contexts?|reports?"
    r"|statements?|comments?|reviews?|posts?|evidence|vignettes?|letters?|extracts?|summary)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.?!](?=\s|$)")
# An instruction is an order or a question; a sentence that begins so is neither.
_STATEMENT = re.compile(
    r"\s*(?:(?:the|an?|this|that|these|those|there|i|we|he|she|it|they|my|our|his|her|their)\b|$)",
    re.IGNORECASE,
)
_ENUMERATION = re.compile(r"(?:\d+[.)]\s*)+")
# What may be answered by yes, no, true or false.
_POLAR = re.compile(
    r"\b(?:yes|no|true|false|whether|decide|verify|confirm|if)\b"
    r"|(?:^|[\n.,:;?!]\s*|\b(?:and|or|but)\s+)"
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|should|will|would|may|might|must)\b",
    re.IGNORECASE,
)
_VERDICTS = {("yes",), ("no",), ("true",), ("false",)}
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

# The threshold of novelty between instructions, taken over: 0.7 of ROUGE-L F1 is "the same".
COPIED = 0.7


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


def _is_statement(instruction: str) -> bool:
    """No question, and no sentence that could be an order."""
    sentences = _SENTENCE_END.split(instruction)
    return "?" not in instruction and all(_STATEMENT.match(text) for text in sentences)


class InstructionFilters:
    """Judges candidates in order; what it accepts becomes part of the pool of novelty."""

    def __init__(
        self,
        seeds: Sequence[Seed],
        *,
        min_words: int,
        max_words: int,
        max_sentences: int,
        max_input_words: int,
        novelty: str,
        threshold: float,
    ) -> None:
        self._min_words = min_words
        self._max_words = max_words
        self._max_sentences = max_sentences
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
        if (count := len(_SENTENCE_END.findall(instruction))) > self._max_sentences:
            yield Refusal("sentences", f"{count} sentences, over {self._max_sentences}")
        if len(input_text.split()) > self._max_input_words:
            yield Refusal("input_length", f"over {self._max_input_words} words of input")
        if not (instruction[0].isascii() and instruction[0].isalnum()):
            yield Refusal("first_character", f"begins with {instruction[0]!r}")
        if instruction.endswith(":"):
            yield Refusal("open_end", "ends in a colon")
        yield from self._unusable(instruction, input_text)
        if input_text:
            yield from self._copies(instruction, input_text)
        if seed := self._seeds.get(_same(instruction, input_text)):
            yield Refusal("copy", f"of {seed}")

    def _unusable(self, instruction: str, input_text: str) -> Iterator[Refusal]:
        if _is_statement(instruction):
            yield Refusal("statement", "neither an order nor a question")
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
    said = words(output)
    if not said or _ENUMERATION.fullmatch(output):
        yield Refusal("empty", "no word in the answer")
    if cut:
        yield Refusal("cut", "reached the token limit")
    if said in (words(input_text), words(instruction)):
        yield Refusal("copied", "the answer is the task")
    # Extracts are short; an answer that gives most of a text back has done nothing with it.
    if len(said) > 5 and rouge_l(output, input_text) > COPIED:
        yield Refusal("copied", "the answer is most of the text")
    # Labels are taken from the instruction; whole clauses are not.
    if (
        len(said) > 5
        and "," not in output
        and f" {' '.join(said)} " in f" {' '.join(words(instruction))} "
    ):
        yield Refusal("copied", "the answer stands in the instruction")
    if said in _VERDICTS and not _POLAR.search(f"{instruction}\n{input_text}"):
        yield Refusal("verdict", f"'{said[0]}' to what asks for something else")
    if output.endswith(":"):
        yield Refusal("open_end", "ends in a colon")
    if is_foreign(output):
        yield Refusal("language", "not English")
    if is_loop(output):
        yield Refusal("loop", "repeats itself")


def _same(*texts: str) -> str:
    """A text by which two that differ in case, spacing or punctuation are the same."""
    return "\n".join(" ".join(words(text)) for text in texts)
