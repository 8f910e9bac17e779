"""What does the parts of `bench run`, in this process or on a cluster's nodes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plugins import open_suites
from bench.scoring import Scorer, load_tasks
from bench.workspace import Session

if TYPE_CHECKING:
    from bench.config import Config
    from harness.executors.base import Kept
    from harness.types import Artifact, Job, Progress, Record


class RunWorker:
    """Makes artifacts and records jobs; see `harness.executors.base.Worker`.

    Everything that can be wrong with the tasks is told when it is made.
    """

    def __init__(self, session: Session, jobs: Sequence[Job], tasks: Sequence[str]) -> None:
        from tasks.cards import load_cards

        folders = session.registry.suites()
        index = open_suites(session.registry, session.config, session.args)
        built = load_tasks(session, index, jobs, tasks)
        self._session = session
        self._scorer = Scorer(session, built, load_cards(folders.values()), session.out / "runs")
        self._artifacts: dict[str, Artifact | None] = {}

    def specialise(self, model: str) -> None:
        self._artifact(model)

    def record(self, job: Job, label: str) -> Record:
        return self._scorer.record(job, self._artifact(job.model), label)

    def _artifact(self, model: str) -> Artifact | None:
        if model not in self._artifacts:
            self._artifacts[model] = self._session.artifact(model)
        return self._artifacts[model]


@dataclass(frozen=True)
class OpenRunWorker:
    """Makes the worker again in another process; see `harness.executors.base.OpenWorker`."""

    args: argparse.Namespace
    config: Config
    jobs: tuple[Job, ...]
    tasks: tuple[str, ...]

    def __call__(self, out: Path, progress: Progress, kept: Kept | None) -> RunWorker:
        session = Session(self.args, self.config, out, progress, kept)
        return RunWorker(session, self.jobs, self.tasks)
