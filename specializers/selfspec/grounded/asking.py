"""The prompts of grounded specialization, and how what is written after them is read.

Each prompt ends exactly where the model must go on, so that its answer needs no heading of its own
and the form cannot be lost. What never changes stands first: an engine computes it once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.types import Domain, Seed
from specializers.corpus.sentences import whole_sentences
from specializers.selfspec.grounded.frames import Frame
from specializers.selfspec.prompts import respond_prompt
from specializers.selfspec.wording import plain

# A line that begins so is the next task's, or the answer's.
_NEXT = ("\n\n", "\nText:", "\nAnswer:", "\nInstruction:", "\n#")


def write_stop(frame: Frame) -> tuple[str, ...]:
    """What ends the writing: the line, where one part is written; a blank line, where several."""
    return ("\n",) if len(frame.names) == 1 else ("\n\n", "\nText:", "\nAnswer:")


INVENT_STOP = ("\n\n", "\nAnswer:")


def write_prompt(
    domain: Domain, shown: Sequence[Frame], frame: Frame, text: str, label: str
) -> str:
    """Ask for what a task of this mould asks of a text.

    Args:
        shown: moulds of the same shape, `frame` last.
        label: what the answer is to be; "" leaves it open.
    """
    lines = [
        f"Tasks made from texts on {domain.title.lower()}. Each names what its own text says, can "
        "be done from that text alone, and has one right answer.",
        "",
    ]
    for one in shown:
        # A long answer without a text of its own is shown as the text that it could be taken from.
        of = one.text or (one.seed.output if one.mode == "back" else "")
        lines += [f"Text: {of}"] if of else []
        lines += [f"Answer: {one.seed.output}"] if label else []
        lines += [f"{n}: {v}" for n, v in zip(one.names, one.values, strict=True)] + [""]
    lines += [f"Text: {text}", *([f"Answer: {label}"] if label else []), f"{frame.names[0]}:"]
    return "\n".join(lines)


def read_written(frame: Frame, continuation: str) -> tuple[str, ...]:
    """The values of `frame.names`; () where one is missing."""
    lines = f"{frame.names[0]}: {continuation.strip()}".split("\n")
    found = []
    for name, line in zip(frame.names, lines, strict=False):
        if not line.startswith(f"{name}:"):
            return ()
        found.append(line.partition(":")[2].strip())
    return tuple(found) if len(found) == len(frame.names) and all(found) else ()


def invent_prompt(domain: Domain, shown: Sequence[Frame], frame: Frame, label: str) -> str:
    """Ask for a whole input whose answer is a label: where the corpus holds no text of the kind.

    Source: SELF-GUIDE (arXiv 2407.12874): inputs conditioned on a label that is drawn.
    """
    lines = [f"Texts on {domain.title.lower()}, each after the answer it was written for.", ""]
    for one in shown:
        lines += [f"Answer: {one.seed.output}", _input(one), ""]
    lines += [f"Answer: {label}", f"{frame.parts[0][0] or 'Text'}:"]
    return "\n".join(lines)


def _input(frame: Frame) -> str:
    return "\n".join(f"{name or 'Text'}: {value}" for name, value in frame.parts)


def read_invented(frame: Frame, continuation: str, *, cut: bool) -> tuple[str, tuple[str, ...]]:
    """The text and the other parts; ("", ()) where one is missing."""
    names = [name or "Text" for name, _ in frame.parts]
    rest = f"{names[0]}: {continuation.strip()}"
    values = []
    for place, name in enumerate(names):
        if not rest.startswith(f"{name}:"):
            return "", ()
        rest = rest[len(name) + 1 :]
        end = rest.find(f"\n{names[place + 1]}:") if place + 1 < len(names) else len(rest)
        if end < 0:
            return "", ()
        values.append(" ".join(rest[:end].split()))
        rest = rest[end + 1 :]
    text = values[frame.slot]
    if cut or not text.endswith((".", "!", "?")):
        text = whole_sentences(text)
    if not text or not all(values):
        return "", ()
    return text, tuple(value for place, value in enumerate(values) if place != frame.slot)


def answer_prompt(
    domain: Domain, shown: Sequence[Seed], instruction: str, input_text: str, background: str
) -> str:
    """Ask for the answer to a task, after seeds of its type."""
    return respond_prompt(
        domain, shown, instruction, input_text, [background] if background else []
    )


def bare_prompt(instruction: str, input_text: str) -> str:
    """A task with nothing shown, as an evaluation asks it."""
    return f"{instruction}\n\n{input_text}\nAnswer:" if input_text else f"{instruction}\nAnswer:"


def shown_for(frames: Sequence[Frame], frame: Frame, count: int) -> tuple[Frame, ...]:
    """Moulds to show before one: of its shape and, if there are, of other answers; itself last."""
    alike = [
        one
        for one in frames
        if one is not frame
        and one.names == frame.names
        and bool(one.text) == bool(frame.text)
        and (one.mode == "back") == (frame.mode == "back")
    ]
    said = {plain(frame.seed.output)}
    first: list[Frame] = []
    later: list[Frame] = []
    for one in alike:
        (later if plain(one.seed.output) in said else first).append(one)
        said.add(plain(one.seed.output))
    return (*[*first, *later][: count - 1], frame)


def balanced(seeds: Sequence[Seed], count: int) -> tuple[Seed, ...]:
    """The first seeds of a type, answers in turn: each label as often as can be."""
    turns: dict[str, list[Seed]] = {}
    for seed in seeds:
        turns.setdefault(plain(seed.output) if len(seed.output.split()) <= 3 else "", []).append(
            seed
        )
    ordered: list[Seed] = []
    while len(ordered) < min(count, len(seeds)):
        ordered += [queue.pop(0) for queue in turns.values() if queue]
    return tuple(ordered[:count])


def one_line(text: str) -> str:
    """Blanks and line breaks as single blanks."""
    return re.sub(r"\s+", " ", text).strip()
