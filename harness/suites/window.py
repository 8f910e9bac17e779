"""Make prompts fit the model's window without losing a question or a label.

lm-eval cuts over-long prompts on the left, which throws away the instruction
and the first demonstrations' questions but keeps their answers. Here only the
*context* of an input is shortened, from its end, at a word: the longest line of
the input (the abstract, the snippets), so that instruction, questions and the
demonstrations' labels stay.

1. Demonstrations may fill half of the window. If they need more, the context of
   each is cut to an equal share. This depends on task, shots and model alone, so
   every item still sees the same demonstrations.
2. An item whose prompt is still too long has its own context cut to fit.

The tokens cut are counted in the item's row (`cut_tokens`). What no rule can
save (an input without a long line) is left to the engine's left cut, counted
the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

CountTokens = Callable[[str], int]


def shorten(text: str, excess: int, count: CountTokens) -> str:
    """Cut at least `excess` tokens from the end of the text's longest line.

    Whole words are cut. If the line is too short, all of it but its first word
    goes.
    """
    lines = text.split("\n")
    longest = max(range(len(lines)), key=lambda i: len(lines[i]))
    words = lines[longest].split(" ")
    whole = count(lines[longest])
    # Most words are 1 to 3 tokens: bisect on the number of words kept.
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if whole - count(" ".join(words[:middle])) >= excess:
            low = middle
        else:
            high = middle - 1
    lines[longest] = " ".join(words[:low])
    return "\n".join(lines)


def fit_demonstrations(inputs: Sequence[str], room: int, count: CountTokens) -> dict[str, str]:
    """Shortened inputs for demonstrations that fill more than half of `room` tokens.

    Returns:
        input -> shortened input, for those that change.
    """
    if not inputs or sum(map(count, inputs)) <= room // 2:
        return {}
    share = room // 2 // len(inputs)
    return {
        text: shorten(text, count(text) - share, count) for text in inputs if count(text) > share
    }


def fit_prompt(
    prompt: str, own_input: str, shortened: dict[str, str], room: int, count: CountTokens
) -> str:
    """The prompt with its demonstrations' and, if needed, its own context cut.

    Args:
        prompt: as lm-eval built it; inputs stand in it verbatim.
        own_input: the item's input, the last thing in the prompt that can be cut.
        shortened: from `fit_demonstrations`.
        room: tokens the prompt may have.
    """
    head, mark, tail = prompt.rpartition(own_input) if own_input else (prompt, "", "")
    for text, short in shortened.items():
        head = head.replace(text, short)
    prompt = head + mark + tail
    excess = count(prompt) - room
    if excess <= 0 or not mark:
        return prompt
    return head + shorten(own_input, excess, count) + tail
