"""One part after the other, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from harness.executors.base import Worker, label
from harness.types import Job, Record


class LocalExecutor:
    """The executor of a laptop: each base's weights are loaded once."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def run(self, specialised: Sequence[str], jobs: Sequence[Job]) -> list[Record]:
        for model in specialised:
            self._worker.specialise(model)
        return [
            self._worker.record(job, label(number, len(jobs), job))
            for number, job in enumerate(jobs, 1)
        ]
