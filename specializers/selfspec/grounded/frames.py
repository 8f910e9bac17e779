"""What a seed shows beside its words: the form of its answers, and where its text lies.

A seed's input is read as parts: named ("Question: ...", "Evidence: ..."), or a text with a closing
question, or one text. One part is the text that a passage of the corpus can stand for; the others
(and, where there are none, the instruction) are what the model writes for a new text. All is read
off the seeds, so that a domain with task types of its own works as the built-in ones do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from statistics import median
from typing import Literal

from harness.types import Seed
from specializers.selfspec.grounded.labels import VERDICTS, occurs, options
from specializers.selfspec.wording import plain

Form = Literal["label", "mentions", "list", "span", "free"]
Mode = Literal["kept", "instruction", "fields", "closed", "back", "invented"]

TAG = re.compile(r"<([A-Za-z][\w-]*)>")
MENTION = re.compile(r"\s*([^<>]+?)\s*<([A-Za-z][\w-]*)>\s*")
_FIELD = re.compile(r"^([A-Z][A-Za-z0-9_ -]{0,24}):[ \t]+(\S.*)$")
# A part of such a name is asked about the text, and is no text itself.
# A text that ends with a question about it.
_CLOSING = re.compile(
    r"(?P<body>.*[.!?])?\s*(?:(?P<name>[A-Z]\w+):\s)?(?P<question>[^.!?]*\?)$", re.DOTALL
)
_ASKED = frozenset({"question", "claim", "statement", "hypothesis", "assertion"})
_FEWEST = 10  # words of a part that a passage can stand for
_MOST_LABEL, _MOST_SPAN, _MOST_ITEM = 3, 8, 6  # words
_MOST_OF = 0.6  # of a type's seeds that show a form


@dataclass(frozen=True)
class Frame:
    """A seed as a mould: its wording stays, its text and what is asked of it are exchanged.

    Attributes:
        parts: (name, value) of the input, in order; a name may be "".
        slot: which part is the text; -1 where the input holds none. joint: what parts stand with.
        labels: what may be answered, for the form "label".
        within: where the type's answers stand: "input", "instruction" or "" (in neither).
    """

    seed: Seed
    form: Form
    parts: tuple[tuple[str, str], ...]
    slot: int
    joint: str
    labels: tuple[str, ...]
    within: Literal["input", "instruction", ""]

    @property
    def text(self) -> str:
        """The seed's own text; "" where it has none."""
        return self.parts[self.slot][1] if self.slot >= 0 else ""

    @property
    def asked(self) -> tuple[int, ...]:
        """The parts that are written for a new text."""
        return tuple(place for place in range(len(self.parts)) if place != self.slot)

    @property
    def mode(self) -> Mode:
        """How a new task is made in this mould.

        kept: the instruction holds for any text (its labels stand in it); nothing is written.
        fields: the parts beside the text are written. instruction: it is written for the text.
        closed: written from a text that the task does not show. back: so, and the text is the
        answer.
        """
        if self.slot < 0:
            return "back" if self.form == "free" and not self.parts else "closed"
        if self.asked:
            return "fields"
        polar = {plain(label) for label in self.labels} <= VERDICTS
        chosen = (self.form == "label" and not polar) or self.within == "instruction"
        return "kept" if chosen else "instruction"

    @property
    def offered(self) -> tuple[str, ...]:
        """What a set of labels may be of, as the instruction writes it; () for other forms."""
        if self.within != "instruction" or self.form != "list":
            return ()
        return options(self.seed.instruction, items(self.seed.output)[0])

    @property
    def names(self) -> tuple[str, ...]:
        """What is written, by the names it is shown under."""
        if not self.asked:
            return ("Instruction",)
        return tuple(self.parts[place][0] or "Question" for place in self.asked)

    @property
    def values(self) -> tuple[str, ...]:
        """What stands in the seed for `names`."""
        if not self.asked:
            return (self.seed.instruction,)
        return tuple(self.parts[place][1] for place in self.asked)

    def task(self, text: str, written: Sequence[str]) -> tuple[str, str]:
        """Instruction and input of a new task: this mould with another text and other parts."""
        if not self.asked:
            instruction = written[0] if written else self.seed.instruction
            shown: tuple[str, ...] = (text,) if self.slot >= 0 else ()
        else:
            instruction, rest = self.seed.instruction, iter(written)
            shown = tuple(
                text if place == self.slot else next(rest) for place in range(len(self.parts))
            )
        told = [
            f"{name}: {value}" if name else value
            for (name, _), value in zip(self.parts, shown, strict=True)
        ]
        return instruction, self.joint.join(told)


def frames_of(seeds: Sequence[Seed]) -> dict[str, tuple[Frame, ...]]:
    """The moulds of each task type, in the seeds' order; types in order of appearance."""
    kinds: dict[str, list[Seed]] = defaultdict(list)
    for seed in seeds:
        kinds[seed.task_type].append(seed)
    return {kind: _frames(group) for kind, group in kinds.items()}


def form_of(seeds: Sequence[Seed]) -> Form:
    """The form that most answers of a task type have."""
    outputs = [seed.output for seed in seeds]

    def most(found: Sequence[bool]) -> bool:
        return sum(found) >= _MOST_OF * len(found)

    if most([bool(MENTION.match(output)) for output in outputs]):
        return "mentions"
    if most(
        [
            len(seed.output.split()) <= 2 * _MOST_LABEL
            and seed.output in inventory(seed.instruction, seed.output)
            for seed in seeds
        ]
    ):
        return "label"
    lists = [items(output) for output in outputs]
    if most([len(one) > 1 and all(len(i.split()) <= _MOST_ITEM for i in one) for one in lists]):
        return "list"
    return "span" if median(len(output.split()) for output in outputs) <= _MOST_SPAN else "free"


def inventory(instruction: str, answer: str) -> tuple[str, ...]:
    """The labels that an instruction lets choose from, `answer` among them; () where it names none.

    Yes and no, true and false need no naming.
    """
    for pair in (("yes", "no"), ("true", "false")):
        if plain(answer) in pair:
            cased = [word.capitalize() if answer[:1].isupper() else word for word in pair]
            return tuple(answer if plain(word) == plain(answer) else word for word in cased)
    return options(instruction, answer)


def items(answer: str) -> list[str]:
    """The items of an answer in list form."""
    return [piece.strip().rstrip(".") for piece in re.split(r"[,;\n]", answer) if piece.strip()]


def _frames(seeds: Sequence[Seed]) -> tuple[Frame, ...]:
    form = form_of(seeds)
    within = _within(seeds, form)
    shared = {
        seed.output
        for seed in seeds
        if sum(occurs(seed.output, other.instruction) for other in seeds) > 1
    }
    made = []
    for seed in seeds:
        labels = inventory(seed.instruction, seed.output) if form == "label" else ()
        labels = tuple(dict.fromkeys(_known(label, shared) for label in labels))
        if form == "label" and len(labels) < 2:
            continue  # a seed out of its type's form is no mould; it is still shown and trained on
        if form == "mentions" and not TAG.search(seed.output + seed.instruction):
            continue
        parts, slot, joint = _parts(seed.input)
        made.append(Frame(seed, form, parts, slot, joint, labels, within))
    return tuple(made)


def _known(label: str, shared: Set[str]) -> str:
    """A label that other seeds of the type have, where the one that was read ends with it."""
    return next((known for known in sorted(shared) if label.endswith(f" {known}")), label)


def _within(seeds: Sequence[Seed], form: Form) -> Literal["input", "instruction", ""]:
    """Where most of the type's answers, or the items of its lists, stand."""
    if form not in ("list", "span"):
        return ""
    found: list[tuple[bool, bool]] = [
        (occurs(piece, seed.input), occurs(piece, seed.instruction))
        for seed in seeds
        if seed.input
        for piece in (items(seed.output) if form == "list" else [seed.output])
    ]
    if 2 * sum(named for _, named in found) > len(found):
        return "instruction"
    return "input" if found and 5 * sum(there for there, _ in found) >= 2 * len(found) else ""


def _parts(text: str) -> tuple[tuple[tuple[str, str], ...], int, str]:
    if not text:
        return (), -1, ""
    named = _named(text)
    if named:
        lengths = {
            place: len(value.split())
            for place, (name, value) in enumerate(named)
            if name.lower() not in _ASKED
        }
        slot = max(lengths, key=lengths.__getitem__, default=-1)
        return named, slot if slot >= 0 and lengths[slot] >= _FEWEST else -1, "\n"
    ends = _CLOSING.match(text) if "\n" not in text else None
    if ends and not ends["body"]:
        return (("", text),), -1, ""
    if ends and len(ends["body"].split()) >= _FEWEST // 2:
        return (("", ends["body"]), (ends["name"] or "", ends["question"])), 0, " "
    return (("", text),), 0, ""


def _named(text: str) -> tuple[tuple[str, str], ...]:
    """The named parts of an input all of whose lines begin with a name; else ()."""
    found = [_FIELD.match(line) for line in text.split("\n")]
    names = [match[1] for match in found if match and len(match[1].split()) <= _MOST_LABEL]
    if len(names) < len(found) or len(set(names)) < len(names):
        return ()
    return tuple((match[1], match[2]) for match in found if match)
