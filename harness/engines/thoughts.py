"""What a model wrote for itself, set apart from what it answered.

Models that reason write their thoughts before the answer, between marks of their
own. Thoughts are kept and counted, but neither stop strings nor a task's parser
may see them: "no" in a thought is not the answer "no".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Opening and closing marks, as chat templates and model cards have them: DeepSeek-R1, Qwen3 and
# most others; spelt out; Magistral; Kimi; Seed-OSS; OpenThinker.
MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
# gpt-oss writes channels; a server that hides special tokens leaves their names run together.
_CHANNELS = re.compile(
    r"\s*(?:<\|start\|>assistant)?<\|channel\|>\w+.*?<\|message\|>|\s*analysis(?=.*assistantfinal)",
    re.DOTALL,
)
_FINAL = re.compile(r"<\|channel\|>final.*?<\|message\|>|assistantfinal", re.DOTALL)
_CHANNEL_MARK = re.compile(
    r"<\|start\|>assistant|<\|channel\|>\w+|<\|(?:message|end|return|call|constrain)\|>"
)


@dataclass(frozen=True)
class Parted:
    """A generation in two. `closed` is False where the thoughts never ended: then no answer."""

    thoughts: str
    answer: str
    closed: bool = True


def part(text: str, *, opened: bool = False) -> Parted:
    """Set the thoughts at the beginning of a generation apart.

    A generation without marks comes back as it is, to the character. White space
    between thoughts and answer belongs to neither.

    Args:
        opened: the prompt ended inside the thoughts (some templates write the mark).
    """
    if _CHANNELS.match(text):
        return _channels(text)
    thoughts: list[str] = []
    rest = text
    while mark := next((mark for mark in MARKS if rest.lstrip().startswith(mark[0])), None):
        inside, after = _closed(rest.lstrip().removeprefix(mark[0]), mark)
        thoughts.append(inside.strip())
        if after is None:
            return Parted(_joined(thoughts), "", closed=False)
        rest, opened = after.lstrip(), False
    if thoughts:
        return Parted(_joined(thoughts), rest)
    # A closing mark alone: its opening stood in the prompt.
    ends = sorted((end for _, mark in MARKS for end in _ends(text, mark)), reverse=True)
    if ends:
        start, end = next((place for place in ends if text[place[1] :].strip()), ends[-1])
        return Parted(text[:start].strip(), text[end:].lstrip())
    return Parted(text.strip(), "", closed=False) if opened else Parted("", text)


def _closed(text: str, mark: tuple[str, str]) -> tuple[str, str | None]:
    """What stands before the closing mark that fits, and what after it (None: it is not there)."""
    opening, closing = mark
    end, depth = -1, 1
    while depth:
        end = text.find(closing, end + 1)
        if end < 0:
            return text, None
        depth = 1 + text[:end].count(opening) - text[: end + len(closing)].count(closing)
    return text[:end], text[end + len(closing) :]


def _ends(text: str, closing: str) -> list[tuple[int, int]]:
    return [(found.start(), found.end()) for found in re.finditer(re.escape(closing), text)]


def opens_thoughts(prompt: str) -> bool:
    """Whether a prompt ends inside the model's thoughts."""
    return prompt.rstrip().endswith(tuple(opening for opening, _ in MARKS))


def _channels(text: str) -> Parted:
    """Channels as gpt-oss writes them: the last `final` one is the answer."""
    finals = list(_FINAL.finditer(text))
    end = finals[-1].start() if finals else len(text)
    thoughts = _CHANNEL_MARK.sub("\n", text[:end]).strip()
    if not finals:
        return Parted(thoughts, "", closed=False)
    return Parted(thoughts, _CHANNEL_MARK.split(text[finals[-1].end() :])[0].strip())


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(thought for thought in thoughts if thought)
