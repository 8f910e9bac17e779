"""What is still to be written, and what of it is written next.

The longest answers start first, so that the last rows of a job are not written
alone. How long an answer will be is not known; those of one kind (one shared
root, one decoding) are alike, so a kind's length is what its answers came to so
far, and all it may have until one is finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from harness.engines.hf.slots import Root
from harness.engines.writing import Writing


@dataclass
class _Kind:
    """Writings of one kind: those that wait, those that are written now, and what is known."""

    opens: Callable[[], Root]
    waiting: deque[Writing] = field(default_factory=deque)
    running: list[Writing] = field(default_factory=list)
    ended: int = 0
    tokens: int = 0

    @property
    def expected(self) -> float:
        """Tokens of an answer: written so far, those of unfinished ones too, over the finished.

        That is the maximum-likelihood estimate where ends come at one rate; to leave out the
        unfinished would say too little, since short answers finish first.
        """
        most = self.waiting[0].most
        if not self.ended:
            return float(most)
        written = self.tokens + sum(len(writing.written) for writing in self.running)
        return min(float(most), written / self.ended)


class Queue:
    """Writings by kind.

    Args:
        kinds: what opens a root (called once), and the writings of one decoding over it, in the
            order in which they are taken. Kinds that are expected to write alike are taken in
            the order given.
    """

    def __init__(self, kinds: Iterable[tuple[Callable[[], Root], Iterable[Writing]]]) -> None:
        self._kinds = [_Kind(opens, deque(writings)) for opens, writings in kinds]
        self._of = {id(writing): kind for kind in self._kinds for writing in kind.waiting}
        # Roots that prompts still wait for; rows that are written hold theirs.
        self._roots: dict[Callable[[], Root], Root] = {}

    def __len__(self) -> int:
        return sum(len(kind.waiting) for kind in self._kinds)

    def take(self, count: int) -> Iterator[tuple[Root, list[Writing]]]:
        """The next `count`, by root."""
        while count and len(self):
            kind = max((k for k in self._kinds if k.waiting), key=lambda k: k.expected)
            taken = [kind.waiting.popleft() for _ in range(min(count, len(kind.waiting)))]
            kind.running += taken
            count -= len(taken)
            if kind.opens not in self._roots:
                self._roots[kind.opens] = kind.opens()
            root = self._roots[kind.opens]
            if not any(other.waiting for other in self._kinds if other.opens is kind.opens):
                del self._roots[kind.opens]
            yield root, taken

    def finished(self, writing: Writing) -> None:
        """Note how long an answer is."""
        kind = self._of.pop(id(writing))
        kind.running.remove(writing)
        kind.ended += 1
        kind.tokens += len(writing.written)
