"""What vLLM is asked next: requests in order, and after an answered one those that follow it.

A request may be followed by others whose prompts begin with its own. They are
asked once it is answered, before anything else, so that their beginning is
still cached. A request that others follow is *open* until the last of them is
answered; no more are opened at a time than the cache has room for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StepRequest:
    """One request to vLLM.

    Attributes:
        key: the asker's own, to recognise the answer by.
        followers: how many requests `then` gives.
        then: what to ask once this is answered: prompts that begin with this one's.
    """

    key: Any
    prompt: tuple[int, ...]
    params: Any
    adapter: Path | None = None
    followers: int = 0
    then: Iterator[StepRequest] = field(default_factory=lambda: iter(()))


@dataclass(eq=False)
class Asked:
    """A request under way, or open.

    Attributes:
        before: the one it follows. depth: how many it follows.
        blocks: of the cache, that it takes beside those it shares.
        left: followers that are not done.
    """

    name: str
    request: StepRequest
    before: Asked | None
    depth: int
    blocks: int
    left: int


@dataclass
class _Source:
    """Requests that follow one another's leader; `held` was taken but had no room."""

    before: Asked | None
    requests: Iterator[StepRequest]
    held: StepRequest | None = None


class Following:
    """The requests still to be asked: those that follow the most others first, else in order.

    Args:
        requests: what follows nothing.
        names: where requests get their names from; a name never comes again.
        block: tokens of a block of the cache.
        room: blocks that open requests may take together.
    """

    def __init__(
        self, requests: Iterator[StepRequest], names: Iterator[str], block: int, room: int
    ) -> None:
        self._names = names
        self._block = block
        self._room = room
        self._order = count()
        self._sources: list[tuple[int, int, _Source]] = []
        self._add(_Source(None, requests), 0)

    def take(self, idle: bool) -> Asked | None:
        """The next request; None where all are asked, or those under way must be answered first.

        Args:
            idle: none is under way: the next is asked whatever the room.
        """
        while self._sources:
            depth, _, source = self._sources[0]
            request = source.held or next(source.requests, None)
            if request is None:
                heappop(self._sources)
                continue
            blocks = self._blocks(request, source.before)
            if blocks > self._room and not idle:
                source.held = request
                return None
            source.held = None
            self._room -= blocks
            name = next(self._names)
            return Asked(name, request, source.before, -depth, blocks, request.followers)
        return None

    def answered(self, asked: Asked) -> None:
        """What follows it may be asked from now on."""
        if asked.left:
            self._add(_Source(asked, asked.request.then), asked.depth + 1)
        else:
            self._done(asked)

    def _add(self, source: _Source, depth: int) -> None:
        heappush(self._sources, (-depth, next(self._order), source))

    def _blocks(self, request: StepRequest, before: Asked | None) -> int:
        """Blocks that a request holds while it is open, and those kept for its followers."""
        if not request.followers:
            return 0
        shared = len(before.request.prompt) if before is not None else 0
        return (len(request.prompt) - shared) // self._block + 2

    def _done(self, asked: Asked | None) -> None:
        while asked is not None and not asked.left:
            self._room += asked.blocks
            asked = asked.before
            if asked is not None:
                asked.left -= 1
