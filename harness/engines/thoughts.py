"""What a model wrote for itself, set apart from what it answered.

Models that reason write their thoughts before the answer, between marks of their
own. Thoughts are kept and counted, but neither stop strings nor a task's parser
may see them: "no" in a thought is not the answer "no".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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


class Thinking:
    """Where the answer begins in a generation, found while it is written.

    Args:
        decode: token ids -> text, special tokens written out.
        opened: the prompt ended inside the thoughts.
    Attributes:
        looking: they may yet begin. inside: they have begun and did not end.
        begins: tokens before the answer.
        carried: what of the answer stands in the last of them.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], opened: bool) -> None:
        self.inside, self.begins, self.carried = opened, 0, ""
        self._decode, self._opened, self.looking = decode, opened, True

    def see(self, written: Sequence[int]) -> None:
        """One token more was written; these are all of them."""
        if not self.inside and not self.looking:
            return
        if not self.inside:
            text = (self.carried + self._decode(written[self.begins :])).lstrip()
            self.inside = _opens(text)
            self.looking = not text or _may_open(text)
        # A closing mark alone is no thought here: whether one was opened is known.
        if self.inside and self._closes(written):
            parted = part(self._decode(written[self.begins :]), opened=self._opened)
            if parted.closed:
                self.inside, self.begins, self.carried = False, len(written), parted.answer
                self._opened, self.looking = False, not parted.answer.strip()

    def thoughts(self, written: Sequence[int], opened: bool) -> str:
        """The thoughts' text; `opened` as above."""
        end = len(written) if self.inside else self.begins
        return part(self._decode(written[:end]), opened=opened).thoughts

    def _closes(self, written: Sequence[int]) -> bool:
        tail = self._decode(written[max(self.begins, len(written) - _LONGEST) :])
        return bool(_FINAL.search(tail)) or any(closing in tail for _, closing in MARKS)


# Tokens that hold any closing mark: one has a byte at least.
_LONGEST = 2 * max(len(closing.encode()) for _, closing in MARKS)
_CHANNEL = ("<|channel|>", "<|start|>assistant<|channel|>")


def begins_with_thoughts(text: str) -> bool:
    """Whether a generation begins with what the model writes for itself."""
    return _opens(text.lstrip())


def _opens(text: str) -> bool:
    return text.startswith(tuple(opening for opening, _ in MARKS)) or bool(_CHANNELS.match(text))


def _may_open(text: str) -> bool:
    """Whether a text may be the beginning of one that opens thoughts."""
    openings = (*(opening for opening, _ in MARKS), *_CHANNEL)
    return any(one.startswith(text) for one in openings) or (
        text.startswith(_CHANNEL) and "<|message|>" not in text
    )


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
