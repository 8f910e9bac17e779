"""What was answered before the job that asks for it, and what each job's share of it cost.

Jobs of one model write in one stream (`harness.run.write_ahead`); each then finds its answers in
the store. They are its own all the same: what a job took is counted where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from harness.engines.base import EngineReport

_SUMS = [f.name for f in fields(EngineReport) if f.name not in ("path", "peak_memory_bytes")]


class Ahead:
    """Answers of one space that nobody has asked for yet, by the key of their request."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []

    def put(self, tokens: Mapping[str, int], report: EngineReport, seconds: float) -> None:
        """Keep a stream's answers: the tokens of each, what the engine did, and wall time."""
        if tokens:
            self._streams.append(_Stream(tokens, report, seconds))

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
    """One stream. A job's share is that of its answers' tokens, each counted as one at least."""

    def __init__(self, tokens: Mapping[str, int], report: EngineReport, seconds: float) -> None:
        self.left = {key: max(1, count) for key, count in tokens.items()}
        self._report, self._seconds = report, seconds
        self._all = sum(self.left.values())
        self._done = 0

    def take(self, wanted: set[str]) -> tuple[int, EngineReport, float]:
        keys = self.left.keys() & wanted
        before = self._done / self._all
        self._done += sum(self.left.pop(key) for key in keys)
        after = self._done / self._all
        share = EngineReport(path=self._report.path if keys else "")
        share.peak_memory_bytes = self._report.peak_memory_bytes if keys else 0
        for name in _SUMS:
            whole = getattr(self._report, name)
            part = whole * after - whole * before
            if isinstance(whole, int):  # so that the parts add up
                part = round(whole * after) - round(whole * before)
            setattr(share, name, part)
        return len(keys), share, self._seconds * (after - before)


def add(report: EngineReport, more: EngineReport) -> None:
    """Add what an engine did to a report, in place."""
    for name in _SUMS:
        setattr(report, name, getattr(report, name) + getattr(more, name))
    report.peak_memory_bytes = max(report.peak_memory_bytes, more.peak_memory_bytes)
    report.path = more.path or report.path
