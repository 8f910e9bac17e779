"""Which answers are kept; each refusal carries the filter and the reason.

An answer is judged by its form alone: whether it is there, whole, in English,
its own, and of the kind the task asks for. Whether it is right nobody checks
here (see `agreement` for the nearest thing to it).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from specializers.rouge import rouge_l, words
from specializers.selfspec.filters import Refusal, is_chatter
from specializers.selfspec.wording import SAME, is_foreign, is_loop, plain

_ENUMERATION = re.compile(r"(?:\d+[.)]\s*)+")
# What may be answered by yes, no, true or false.
_POLAR = re.compile(
    r"\b(?:yes|no|true|false|whether|decide|verify|confirm|if)\b"
    r"|(?:^|[\n.,:;?!]\s*|\b(?:and|or|but)\s+)"
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|should|will|would|may|might|must)\b",
    re.IGNORECASE,
)
_VERDICTS = {("yes",), ("no",), ("true",), ("false",)}
_NUMBER = re.compile(r"[+-]?\d[\d.,]*\s?%?")
_WANTS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|old|long|often|far|high|large|likely)|numbers?|counts?|percent\w*"
    r"|ratio|rate|dose|dosage|value|age|year|amount|size|score|level|total|sum|calculate|compute"
    r"|estimate|work out|convert|probability|average|mean|median|what is \d)\b",
    re.IGNORECASE,
)
# Labels to choose from: "A, B or C", "A, B, C and D", "either A or B".
_OPTIONS = re.compile(
    r"\b[\w-]+, [\w-]+ or [\w-]+"
    r"|(?:[\w-]+(?: [\w-]+)?, ){2,}(?:[\w-]+ )?(?:or|and) [\w-]+"
    r"|\b(?:as|either) [\w-]+ or [\w-]+",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[A-Z][\w-]*>")
_EXTRACTS = re.compile(r"\b(?:extract|copy|verbatim|exact words)\b", re.IGNORECASE)
# Answers of so many words are labels or names, and counted as such.
LABEL_WORDS = 3


class LabelBalance:
    """Judges answers in order; keeps one short answer from crowding out the others.

    `label_share`: among answers of at most three words, no single one may make
    up more than this share once `label_floor` of it are in; 1 turns it off.
    """

    def __init__(self, *, label_share: float, label_floor: int) -> None:
        self._share = label_share
        self._floor = label_floor
        self._labels: Counter[str] = Counter()

    def judge(self, output: str) -> Refusal | None:
        """None if an answer of sound form is kept (and counted)."""
        if len(output.split()) > LABEL_WORDS:
            return None
        label = plain(output)
        total, seen = self._labels.total() + 1, self._labels[label] + 1
        if seen > self._floor and seen > self._share * total:
            return Refusal("balance", f"'{label}' is already {seen - 1} of {total - 1} labels")
        self._labels[label] += 1
        return None


def judge_answer(
    instruction: str,
    input_text: str,
    output: str,
    *,
    cut: bool = False,
    shown: Sequence[str] = (),
    extracts: bool = False,
) -> Refusal | None:
    """None if the answer's form is sound, else the first fault.

    Args:
        cut: the answer reached the token limit.
        shown: the answers of the demonstrations it was given.
        extracts: the answer is to be a piece of its text; else the instruction tells.
    """
    extracts = extracts or _is_extraction(instruction)
    return next(_refusals(instruction, input_text, output, cut, shown, extracts), None)


def _is_extraction(instruction: str) -> bool:
    return bool(_TAG.search(instruction) or _EXTRACTS.search(instruction))


def _refusals(
    instruction: str,
    input_text: str,
    output: str,
    cut: bool,
    shown: Sequence[str],
    extracts: bool,
) -> Iterator[Refusal]:
    said = words(output)
    if not said or _ENUMERATION.fullmatch(output):
        yield Refusal("empty", "no word in the answer")
    if cut:
        yield Refusal("cut", "reached the token limit")
    # What is to be found in a text and is a piece of it is right.
    piece = f" {plain(output)} " in f" {plain(input_text)} " and said != words(input_text)
    if not (extracts and piece):
        yield from _copies(instruction, input_text, output)
    if output.endswith(":"):
        yield Refusal("open_end", "ends in a colon")
    if is_foreign(output):
        yield Refusal("language", "not English")
    if is_loop(output):
        yield Refusal("loop", "repeats itself")
    if is_chatter(output):
        yield Refusal("chatter", "an assistant speaks of itself")
    yield from _wrong_kinds(instruction, input_text, output, shown)


def _copies(instruction: str, input_text: str, output: str) -> Iterator[Refusal]:
    said = words(output)
    if said in (words(input_text), words(instruction)):
        yield Refusal("copied", "the answer is the task")
    # Extracts are short; an answer that gives most of a text back has done nothing with it.
    if len(said) > 5 and max(rouge_l(output, input_text), rouge_l(output, instruction)) > SAME:
        yield Refusal("copied", "the answer is most of the task")
    # Labels are taken from the instruction; whole clauses are not.
    if (
        len(said) > 5
        and "," not in output
        and f" {' '.join(said)} " in f" {' '.join(words(instruction))} "
    ):
        yield Refusal("copied", "the answer stands in the instruction")


def _wrong_kinds(
    instruction: str, input_text: str, output: str, shown: Sequence[str]
) -> Iterator[Refusal]:
    said = words(output)
    task = f"{instruction}\n{input_text}"
    in_task = f" {plain(output)} " in f" {plain(instruction)} {plain(input_text)} "
    polar = _POLAR.search(task) is not None
    if said in _VERDICTS and not polar:
        yield Refusal("verdict", f"'{said[0]}' to what asks for something else")
    short = len(output.split()) <= LABEL_WORDS
    if short and not in_task and said not in _VERDICTS:
        if plain(output) in {plain(answer) for answer in shown}:
            yield Refusal("echo", "a demonstration's answer, and nothing of the task")
        if _OPTIONS.search(instruction) and not _NUMBER.fullmatch(output):
            yield Refusal("label", "none of the answers that the instruction names")
    if _NUMBER.fullmatch(output) and not _WANTS_NUMBER.search(task):
        yield Refusal("number", "a bare number to what asks for something else")
    if input_text and _is_extraction(instruction):
        yield from _ungrounded(input_text, output)


def _ungrounded(input_text: str, output: str) -> Iterator[Refusal]:
    """Mentions are copied from the text; "None" says that there is none."""
    pieces = [plain(piece) for piece in re.split(r"[,;\n]", _TAG.sub("", output))]
    mentions = [piece for piece in pieces if piece and piece != "none"]
    text = f" {plain(input_text)} "
    missing = [piece for piece in mentions if f" {piece} " not in text]
    if 2 * len(missing) > len(mentions):
        yield Refusal("ungrounded", f"'{missing[0][:40]}' is not in the text")
