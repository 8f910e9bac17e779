"""Tokens for a server that keeps its tokenizer to itself: one per character.

The harness speaks in token ids. Where the server takes text and no tokenizer
is at hand, the ids are the characters' code points, and a chat is written down
with control characters that no text holds, so that the messages can be taken
out again and sent to the server's own template.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.engines.tokens import fold_system_turn

# Stands before a text that is scored without context. No character; the server adds its own.
START = 0
# RECORD role UNIT content, for each message.
RECORD, UNIT = "\x1e", "\x1f"
_FORBIDDEN = str.maketrans(dict.fromkeys("\x00\x1e\x1f", " "))


class TextTokens:
    """One token per character.

    Args:
        chat: the server takes messages and has a chat template of its own.
    """

    eos_id = START
    prefix_id = START
    # Some templates drop a system turn without a word; nobody outside can tell.
    takes_system_turn = False

    def __init__(self, chat: bool) -> None:
        self.has_chat_template = chat

    def encode(self, text: str, add_special_tokens: bool | None = None) -> list[int]:
        """Code points."""
        return [ord(character) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of code points."""
        return "".join(chr(i) for i in ids if i != START)

    def apply_chat_template(
        self, messages: Sequence[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The messages in one text, a system turn in the first user's; see `messages_of`."""
        turns = list(messages)
        if turns and turns[0]["role"] == "system":
            turns = fold_system_turn(turns)
        return "".join(
            f"{RECORD}{turn['role']}{UNIT}{turn['content'].translate(_FORBIDDEN)}" for turn in turns
        )


def messages_of(text: str) -> list[dict[str, str]]:
    """The messages of a text that `apply_chat_template` wrote; any other text is one user turn."""
    if not text.startswith(RECORD):
        return [{"role": "user", "content": text}]
    turns = (turn.partition(UNIT) for turn in text[1:].split(RECORD))
    return [{"role": role, "content": content} for role, _, content in turns]
