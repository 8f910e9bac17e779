"""The contract between `bench run` and whatever does a run's parts.

A *worker* does the parts one after the other; an *executor* decides where and
when. Every executor leaves the same records, byte for byte: what a part needs
and gives passes through the project's folder, and jobs that share a space of
stored responses keep their order (see `lanes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.types import Job, Progress, Record

# Told of each model call when it is on disk: the store's folder, and the call's line.
Kept = Callable[[Path, bytes], None]


class Worker(Protocol):
    """Does parts of a run; keeps what they share (tasks, weights, artifacts) between them."""

    def specialise(self, model: str) -> None:
        """Make the artifact behind a model's name, if it is not there."""
        ...

    def record(self, job: Job, label: str) -> Record:
        """Answer, score and record one job; its model's artifact is there."""
        ...


class OpenWorker(Protocol):
    """Makes a worker; can be pickled and called on another machine."""

    def __call__(self, out: Path, progress: Progress, kept: Kept | None) -> Worker: ...


class Executor(Protocol):
    """Does a whole run."""

    def run(self, specialised: Sequence[str], jobs: Sequence[Job]) -> list[Record]:
        """Make the specialised models, then record the jobs; one record a job, in order."""
        ...


@dataclass(frozen=True)
class Lane:
    """Parts that must be done in order: all that read and write one space of responses.

    Attributes:
        base: the model whose weights they need.
        specialised: models to make first.
        jobs: then these, each with what the user is told of it.
    """

    base: str
    specialised: tuple[str, ...]
    jobs: tuple[tuple[Job, str], ...]


def label(number: int, total: int, job: Job) -> str:
    """How a job is called in what the user is told."""
    return f"[{number}/{total}] {job.model} {job.task}@{job.shots}"


def plan_lanes(
    specialised: Mapping[str, bool], jobs: Sequence[Job], bases: Mapping[str, str]
) -> list[Lane]:
    """Parts that may be done side by side.

    A model with an adapter has its own space; one that only rewrites prompts
    asks the base itself, so it shares the base's lane.

    Args:
        specialised: the models to make -> whether they have weights of their own.
        bases: model -> base.
    """
    keys = {model: model if specialised.get(model) else base for model, base in bases.items()}
    told = [(job, label(n, len(jobs), job)) for n, job in enumerate(jobs, 1)]
    return [
        Lane(
            next(bases[model] for model, of in keys.items() if of == key),
            tuple(model for model in specialised if keys[model] == key),
            tuple((job, text) for job, text in told if keys[job.model] == key),
        )
        for key in dict.fromkeys(keys.values())
    ]
