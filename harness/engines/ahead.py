"""What was answered before the job that asks for it, and what each job's share of it cost.

Jobs over one base write in one stream (`harness.run.write_ahead`); each then finds its answers in
the store. They are its own all the same: what a job took is counted where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from harness.engines.base import EngineReport

_SUMS = [f.name for f in fields(EngineReport) if f.name not in ("path", "peak_memory_bytes")]
# Shared out by the tokens of prompts; the rest by those of answers.
_READING = ("tokens_asked", "tokens_computed", "distinct_nodes", "seconds_prefill")

# Tokens of a prompt, and of its answer.
Cost = tuple[int, int]


class Ahead:
    """Answers of one space that nobody has asked for yet, by the key of their request."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []

    def put(self, costs: Mapping[str, Cost], report: EngineReport, seconds: float) -> None:
        """Keep a stream's answers: the tokens of each, what the engine did, and wall time."""
        if costs:
            self._streams.append(_Stream(costs, report, seconds))

    def take(self, keys: Iterable[str]) -> tuple[int, EngineReport, float]:
        """How many of these were answered ahead, and their share of the work and the seconds.

        Each is taken once. The shares of all answers add up to the stream's numbers.
        """
        wanted = set(keys)
        count, seconds, report = 0, 0.0, EngineReport()
        for stream in self._streams:
            taken, share, spent = stream.take(wanted)
            count, seconds = count + taken, seconds + spent
            add(report, share)
        self._streams = [stream for stream in self._streams if stream.left]
        return count, report, seconds


class _Stream:
    """One stream. A job's share is that of its prompts' and answers' tokens, each at least one."""

    def __init__(self, costs: Mapping[str, Cost], report: EngineReport, seconds: float) -> None:
        self.left = {key: (max(1, read), max(1, wrote)) for key, (read, wrote) in costs.items()}
        self._report, self._seconds = report, seconds
        self._all = self._sum(self.left)
        self._done = (0, 0)

    def _sum(self, keys: Iterable[str]) -> Cost:
        costs = [self.left[key] for key in keys]
        return sum(read for read, _ in costs), sum(wrote for _, wrote in costs)

    def take(self, wanted: set[str]) -> tuple[int, EngineReport, float]:
        keys = self.left.keys() & wanted
        before, more = self._done, self._sum(keys)
        self._done = (before[0] + more[0], before[1] + more[1])
        for key in keys:
            del self.left[key]
        share = EngineReport(path=self._report.path if keys else "")
        share.peak_memory_bytes = self._report.peak_memory_bytes if keys else 0
        for name in _SUMS:
            by = 0 if name in _READING else 1
            whole = getattr(self._report, name)
            start, end = whole * before[by] / self._all[by], whole * self._done[by] / self._all[by]
            # Whole numbers so that the parts add up.
            setattr(
                share, name, round(end) - round(start) if isinstance(whole, int) else end - start
            )
        busy = self._report.seconds_prefill + self._report.seconds_decode
        own = share.seconds_prefill + share.seconds_decode
        return len(keys), share, self._seconds * (own / busy if busy else more[1] / self._all[1])


def add(report: EngineReport, more: EngineReport) -> None:
    """Add what an engine did to a report, in place."""
    for name in _SUMS:
        setattr(report, name, getattr(report, name) + getattr(more, name))
    report.peak_memory_bytes = max(report.peak_memory_bytes, more.peak_memory_bytes)
    report.path = more.path or report.path
