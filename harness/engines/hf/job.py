"""A job of requests over a network: those that can be answered, laid out as a prefix forest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence, Set
from typing import ClassVar, Generic, TypeVar

import numpy as np

from harness.engines.answers import refusal, refused
from harness.engines.base import Call, EngineReport, GenerateRequest, ScoreRequest
from harness.engines.hf.network import Network
from harness.engines.prefix import Bools, Forest, Ints
from harness.engines.tokens import HFTokens

Asked = TypeVar("Asked", ScoreRequest, GenerateRequest)


class Job(ABC, Generic[Asked]):
    """What scoring and writing share.

    Args:
        path: "packed", "branched" or "plain".
        budget: tokens a pass.
        report: added to as passes are made.
        room: tokens that thoughts may take beside an answer's.
        only: the requests that are this job's, by index; None is all.
    Attributes:
        forest: of the inputs of all that can be answered, whether or not it is: the plan of
            calls depends on the job alone.
        index: of the request at each sorted place of the forest.
    """

    writes: ClassVar[bool]

    def __init__(
        self,
        network: Network,
        tokens: HFTokens,
        requests: Sequence[Asked],
        *,
        path: str,
        budget: int,
        max_length: int,
        report: EngineReport,
        room: int = 0,
        only: Sequence[int] | None = None,
    ) -> None:
        self.network, self.tokens = network, tokens
        self.requests: Sequence[Asked] = requests
        self.path, self.budget, self.report, self.room = path, budget, report, room
        # Where something is written, thoughts take their part of the longest input.
        self.max_length = max_length - room if self.writes else max_length
        max_length = self.max_length
        self.own = range(len(requests)) if only is None else only
        usable = [i for i in self.own if refusal(requests[i], max_length) is None]
        self.forest = Forest(requests[i].input(max_length) for i in usable)
        self.index: Ints = np.array(usable, dtype=np.int64)[self.forest.order]

    def run(self, answered: Set[int] = frozenset()) -> Iterator[Call]:
        """Yield what each call finishes; calls nobody waits for are not made."""
        failed, waiting = self.begin(answered)
        if failed:
            yield failed
        yield from self.calls(waiting)

    def begin(self, answered: Set[int]) -> tuple[Call, Bools]:
        """What cannot be answered, and the sorted places that wait; counted in the report."""
        elsewhere = set(range(len(self.requests))) - set(self.own)
        failed = refused(self.requests, self.max_length, elsewhere.union(answered))
        waiting = np.array([i not in answered for i in self.index.tolist()], dtype=np.bool_)
        asked, distinct = self.forest.count(waiting)
        self.report.tokens_asked += asked
        self.report.distinct_nodes += distinct
        return failed, waiting

    @abstractmethod
    def calls(self, waiting: Bools) -> Iterator[Call]:
        """The calls, of which those at the sorted places `waiting` are yielded."""
