"""The contract between `bench run` and whatever does a run's parts.

A *worker* does the parts one after the other; an *executor* decides where and
when. Every executor leaves the same records, byte for byte: what a part needs
and gives passes through the project's folder, and jobs that may share answers
keep their order (see `plan_lanes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness import moved_names
from harness.errors import Unfinished, Unreachable, UserError, UserErrors
from harness.types import Job, Progress, Record

# Told of each model call when it is on disk: the store's folder, and the call's line.
OnStored = Callable[[Path, bytes], None]


class Worker(Protocol):
    """Does parts of a run; keeps what they share (tasks, weights, artifacts) between them."""

    def specialise(self, model: str) -> None:
        """Make the artifact behind a model's name, if it is not there."""
        ...

    def write(self, jobs: Sequence[Job]) -> None:
        """Write what jobs over one base ask for in one stream, before they are recorded."""
        ...

    def record(self, job: Job, label: str) -> Record:
        """Answer, score and record one job; its model's artifact is there."""
        ...


class OpenWorker(Protocol):
    """Makes a worker; can be pickled and called on another machine."""

    def __call__(self, out: Path, progress: Progress, kept: OnStored | None) -> Worker: ...


class Executor(Protocol):
    """Does a whole run."""

    def run(self, specialised: Sequence[str], jobs: Sequence[Job]) -> list[Record]:
        """Make the specialised models, then record the jobs; one record a job, in order.

        Raises:
            Unfinished: some jobs could not be done; it has the records of the others.
        """
        ...


@dataclass(frozen=True)
class Lane:
    """Parts that one worker does in order: a model to make, or jobs to record.

    Attributes:
        base: the model whose weights they need.
        model: the specialised model to make, or "".
        jobs: the jobs, each with what the user is told of it.
        after: specialised models that must be there first.
    """

    base: str
    model: str = ""
    jobs: tuple[tuple[Job, str], ...] = ()
    after: tuple[str, ...] = ()


def label(number: int, total: int, job: Job) -> str:
    """How a job is called in what the user is told."""
    told = f", wording {job.wording}" if job.wording else ""
    told = ", its best wording" if job.wording_items else told
    told += f", make {job.make}" if job.make else ""
    return f"[{number}/{total}] {job.model} {job.task}@{job.shots}{told}"


def plan_lanes(
    specialised: Mapping[str, bool], jobs: Sequence[Job], bases: Mapping[str, str]
) -> list[Lane]:
    """Parts that may be done side by side: each model to make, and each task of each model.

    Jobs that may ask the same request of the same weights are in one lane, so
    that the first one's answer is the other's too: a task's jobs under other
    shots or draws, and those of models that only rewrite the base's prompts.

    Args:
        specialised: the models to make -> whether they have weights of their own.
        bases: model -> base.
    """
    makers = [Lane(bases[model], model=model) for model in specialised]
    groups: dict[tuple[str, str], list[tuple[Job, str]]] = {}
    for number, job in enumerate(jobs, 1):
        weights = job.model if specialised.get(job.model) else bases[job.model]
        told = (job, label(number, len(jobs), job))
        groups.setdefault((weights, job.task), []).append(told)
    return makers + [
        Lane(
            bases[group[0][0].model],
            jobs=tuple(group),
            after=tuple(dict.fromkeys(j.model for j, _ in group if j.model in specialised)),
        )
        for group in groups.values()
    ]


class LocalExecutor:
    """The executor of a laptop: each base's weights are loaded once."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def run(self, specialised: Sequence[str], jobs: Sequence[Job]) -> list[Record]:
        for model in specialised:
            self._worker.specialise(model)
        records: list[Record] = []
        faults: list[str] = []
        gone: Counter[str] = Counter()  # bases that answer nothing more
        written: set[Job] = set()
        for number, job in enumerate(jobs, 1):
            if job.base in gone:
                gone[job.base] += 1
                continue
            if job not in written:
                together = [one for one in jobs if one.base == job.base]
                written.update(together)
                with suppress(UserError):  # told by the jobs
                    self._worker.write(together)
            try:
                records.append(self._worker.record(job, label(number, len(jobs), job)))
            except Unreachable as error:
                faults.append(str(error))
                gone[job.base] = 0
            except UserErrors as error:
                faults += error.messages
            except UserError as error:
                faults.append(str(error))
        faults += [
            f"{base}: {count} further jobs were not asked." for base, count in gone.items() if count
        ]
        if faults and not records:
            raise UserErrors(list(dict.fromkeys(faults)))
        if faults:
            raise Unfinished(list(dict.fromkeys(faults)), records)
        return records


__getattr__ = moved_names(__name__)
