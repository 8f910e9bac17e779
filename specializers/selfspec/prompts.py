"""The two prompts of self-specialization, and how the first one's answer is read.

The structure follows Kang et al. 2023 as Self-MoE (arXiv 2406.12034) reports
it; the wording is this project's. Both prompts begin with what never changes
and put what varies last, so that an engine computes the common part once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.types import Domain, Seed

SEPARATOR = "###"
NO_INPUT = "<none>"

_SPLIT = re.compile(r"\s*#{3,}\s*")
_BLOCK = re.compile(
    r"^(?:(?:task\s*)?\d*\s*(?:\([^)\n]*\))?\s*[.:)]?\s*)?instructions?\s*:(?P<instruction>.*?)"
    r"(?:\n\s*input\s*:(?P<input>.*?))?"
    r"(?:\n\s*(?:output|answer|response|task\s*\d+)\b.*)?$",
    re.IGNORECASE | re.DOTALL,
)
_EMPTY_INPUT = re.compile(r"^\W*(?:none|no ?input|n/?a|empty)?\W*$", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """One task as the model wrote it; `fault` says why it could not be read."""

    instruction: str
    input: str
    fault: str = ""


@dataclass(frozen=True)
class TaskRequest:
    """What the next task is to be about; "" leaves it to the model."""

    kind: str = ""
    topic: str = ""


def brainstorm_prompt(domain: Domain, demonstrations: Sequence[Seed], wish: TaskRequest) -> str:
    """Ask for further tasks of the domain, continuing a numbered list of demonstrations.

    With a wish, each demonstration is headed by what it is about, and so is
    the place where the model goes on.
    """
    lines = [
        f"A list of varied tasks on {domain.title.lower()}, for training a language model. "
        f"Field: {domain.description}",
        "What every task on the list keeps to:",
        _kinds(wish),
        "- A language model can do it from text alone.",
        "- The instruction is English, one or two sentences, an order or a question.",
        "- The input is realistic and substantial, written out in full without placeholders;"
        f" it is {NO_INPUT} where the instruction needs no text to work on.",
        f"- The tasks range over many topics: {', '.join(domain.topics)}.",
        "",
    ]
    for number, seed in enumerate(demonstrations, 1):
        lines += [
            SEPARATOR,
            f"Task {number}{_heading(seed.task_type, seed.topic, wish)}",
            f"Instruction: {seed.instruction}",
            f"Input: {seed.input or NO_INPUT}",
        ]
    number = len(demonstrations) + 1
    lines += [SEPARATOR, f"Task {number}{_heading(wish.kind, wish.topic, wish)}"]
    return "\n".join(lines)


def _kinds(wish: TaskRequest) -> str:
    if wish.kind:
        return "- It is of the kind its heading names, in a wording and over a text of its own."
    return (
        "- It is of a clear kind, such as extracting, classifying, answering, judging, comparing,"
        " explaining or summarising, and kinds and wordings change from task to task."
    )


def _heading(kind: str, topic: str, wish: TaskRequest) -> str:
    told = [text for text, wanted in ((kind, wish.kind), (topic, wish.topic)) if wanted]
    return f" ({', '.join(told).replace('_', ' ')})" if told else ""


def brainstorm_stop(demonstrations: int, tasks: int) -> tuple[str, ...]:
    """Stop strings that end a continuation after `tasks` new tasks; none for 0."""
    return (f"{SEPARATOR}\nTask {demonstrations + tasks + 1}",) if tasks else ()


def read_tasks(continuation: str, *, whole: bool) -> list[Block]:
    """Split a continuation into tasks.

    Args:
        continuation: what the model wrote after the prompt.
        whole: the model ended by itself; otherwise the last block may be cut
            in the middle and is left out.
    """
    parts = _SPLIT.split(continuation)
    if not whole:
        parts = parts[:-1]
    return [_read_block(part) for part in (text.strip() for text in parts) if part]


def _read_block(text: str) -> Block:
    # A block that goes on with a further task without separator ends there.
    match = _BLOCK.match(text)
    if not match:
        return Block("", "", fault=text[:200])
    instruction = " ".join(match["instruction"].split())
    given = (match["input"] or "").strip()
    return Block(instruction, "" if _EMPTY_INPUT.match(given) else given)


def respond_prompt(
    domain: Domain,
    demonstrations: Sequence[Seed],
    instruction: str,
    input_text: str,
    passages: Sequence[str],
) -> str:
    """Ask the model, as an expert of the domain, for the best answer to one task."""
    lines = [
        f"You are {domain.expert}. Each task below is followed by the best answer to it: correct,"
        " complete, and in just the form the task asks for, with nothing added.",
        "",
    ]
    for seed in demonstrations:
        lines += [SEPARATOR, *_task(seed.instruction, seed.input), f"Answer: {seed.output}", ""]
    lines.append(SEPARATOR)
    lines += [f"Background: {passage}" for passage in passages]
    lines += [*_task(instruction, input_text), "Answer:"]
    return "\n".join(lines)


# What the prompt itself would go on with: an answer that reaches it is whole.
RESPOND_STOP = (SEPARATOR, "\nInstruction:", "\nInput:", "\nBackground:", "\nAnswer:")


def _task(instruction: str, input_text: str) -> list[str]:
    return [f"Instruction: {instruction}", *([f"Input: {input_text}"] if input_text else [])]
