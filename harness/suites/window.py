"""Make prompts fit the model's window without losing a question or a label.

lm-eval cuts over-long prompts on the left, which throws away the instruction
and the first demonstrations' questions but keeps their answers. Here only the
*context* of an input is shortened, from its end, at a word: the longest line of
the input (the abstract, the snippets), so that instruction, questions and the
demonstrations' labels stay. No more is cut than does not fit.

1. Demonstrations may fill half of the window. What they have beyond that goes first,
   from the longest ones, down to one length for all.
2. If that is not enough, the item's own context is cut to fit.

The tokens cut are counted in the item's row (`cut_tokens`), and the record names the
difference to lm-eval (`corrections`). What no rule can save (an input without a long
line) is left to the engine's left cut, which is lm-eval's, counted the same way.
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


def fit_demonstrations(
    inputs: Sequence[str], excess: int, room: int, count: CountTokens
) -> dict[str, str]:
    """Shortened inputs for demonstrations that fill more than half of `room` tokens.

    Args:
        excess: tokens to be rid of; the longest inputs are cut down to one length.
    Returns:
        input -> shortened input, for those that change.
    """
    lengths = {text: count(text) for text in inputs}
    if not inputs or sum(lengths[text] for text in inputs) <= room // 2:
        return {}
    # The greatest length that is enough, but never less than an equal share of the half.
    low, high = room // 2 // len(inputs), max(lengths.values())
    while low < high:
        middle = (low + high + 1) // 2
        if sum(max(0, lengths[text] - middle) for text in inputs) >= excess:
            low = middle
        else:
            high = middle - 1
    return {text: shorten(text, n - low, count) for text, n in lengths.items() if n > low}


def fit_prompt(
    prompt: str, own_input: str, shown: Sequence[str], room: int, count: CountTokens
) -> str:
    """The prompt with its demonstrations' and, if needed, its own context cut to fit.

    Args:
        prompt: as lm-eval built it; inputs stand in it verbatim.
        own_input: the item's input, the last thing in the prompt that can be cut.
        shown: the inputs of its demonstrations.
        room: tokens the prompt may have.
    """
    excess = count(prompt) - room
    if excess <= 0:
        return prompt
    head, mark, tail = prompt.rpartition(own_input) if own_input else (prompt, "", "")
    for text, short in fit_demonstrations(shown, excess, room, count).items():
        head = head.replace(text, short)
    excess = count(head + mark + tail) - room
    if excess > 0 and mark:
        mark = shorten(own_input, excess, count)
    return head + mark + tail
