"""Models over tasks -> records, here or over a cluster; and the worker that does the parts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from bench import checkup
from bench.scoring import Asking, Scorer, load_tasks, planned, without_repeats
from bench.workspace import Recipe, Workspace
from harness.errors import Unfinished, UserError, UserErrors

if TYPE_CHECKING:
    from bench.config import Config
    from bench.plugins import Added
    from harness.executors.base import Executor, OnStored
    from harness.registry import Resolved
    from harness.types import Artifact, Job, Progress, Record


@dataclass(frozen=True)
class Place:
    """Where jobs run.

    Args:
        address: of a running Ray cluster, such as "auto".
        storage: s3://...: for nodes that do not see the folder of results.
    """

    executor: Literal["local", "ray"] = "local"
    address: str = ""
    storage: str = ""


def record(
    workspace: Workspace,
    models: Sequence[str],
    asking: Asking,
    recipe: Recipe = Recipe(),
    place: Place = Place(),
) -> list[Record]:
    """Everything but the board: the records of models over tasks.

    Raises:
        UserError: what cannot be run, before anything is computed where it can be told then.
        Unfinished: some tasks or jobs could not be run; it has the records of the others.
    """
    from harness.executors.base import LocalExecutor

    if place.executor == "local" and (place.address or place.storage):
        raise UserError("--address and --storage go with --executor ray; add it or leave them out.")
    resolved = workspace.resolve_all(models)
    if fixed := [f for one in resolved if (f := workspace.several_makes(one, recipe))]:
        raise UserErrors(list(dict.fromkeys(fixed)))
    faults = checkup.faults(workspace, resolved, recipe, servers=place.executor == "local")
    try:
        tasks, jobs = planned(workspace, asking, resolved)
        jobs = [
            replace(job, make=make)
            for job in jobs
            for make in range(recipe.makes if job.specializer else 1)
        ]
        left_out = workspace.suites.told_of(asking.tasks)
        worker = RunWorker(workspace, recipe, jobs, tasks, left_out)
        jobs = worker.kept(jobs)
        tasks = [task for task in tasks if any(job.task == task for job in jobs)]
        if not jobs:
            raise UserErrors(left_out)
        if recipe.domain:  # asked for, whether or not a model is made of it
            workspace.domain("", recipe)
    except UserError as error:
        faults += checkup.messages_of(error)
    if faults:
        raise UserErrors(list(dict.fromkeys(faults)))
    specialised = [r.name for r in resolved if r.specializer]
    executor: Executor = LocalExecutor(worker)
    if place.executor == "ray":
        executor = _over_ray(workspace, resolved, recipe, place, jobs, tasks)
    records: Sequence[Record]
    try:
        records = executor.run(specialised, jobs)
    except Unfinished as error:
        left_out += error.messages
        records = cast("Sequence[Record]", error.done)
    if asking.floors:
        records = [*records, *worker.floors(records)]
    left_out += [fault for one in records for fault in _without_score(one)]
    if left_out:
        raise Unfinished(list(dict.fromkeys(left_out)), records)
    return list(records)


def _without_score(record: Record) -> list[str]:
    """Metrics of a record that could not be computed: they are left out, all else is kept."""
    manifest = record.manifest
    return [
        f"{manifest['model']} on {manifest['task']}: metric '{name}' has no score ({fault}). Mend "
        "its aggregation, then run again: stored answers are reused."
        for name, facts in manifest["metrics"].items()
        if (fault := facts.get("fault"))
    ]


def _over_ray(
    workspace: Workspace,
    resolved: Sequence[Resolved],
    recipe: Recipe,
    place: Place,
    jobs: Sequence[Job],
    tasks: Sequence[str],
) -> Executor:
    from harness.executors.ray import RayExecutor

    # Nodes start in folders of their own.
    corpus, data = recipe.corpus, workspace.data
    return RayExecutor(
        OpenRunWorker(
            workspace.config,
            data.absolute() if data else None,
            workspace.trust_suites,
            workspace.dtype,
            workspace.added,
            replace(recipe, corpus=corpus.absolute() if corpus else None),
            tuple(jobs),
            tuple(tasks),
        ),
        workspace.out,
        workspace.progress,
        address=place.address,
        storage=place.storage,
        bases={r.name: r.model.name for r in resolved},
        own_weights={r.name: workspace.trains(r) for r in resolved if r.specializer},
        needs={r.model.name: r.model.resources for r in resolved},
    )


class RunWorker:
    """Makes artifacts and records jobs; see `harness.executors.base.Worker`.

    Everything that can be wrong with the tasks is told when it is made.

    Args:
        left_out: takes the messages of tasks that cannot be built, which then are left out.
    """

    def __init__(
        self,
        workspace: Workspace,
        recipe: Recipe,
        jobs: Sequence[Job],
        tasks: Sequence[str],
        left_out: list[str] | None = None,
    ) -> None:
        built = load_tasks(workspace, jobs, tasks, left_out)
        self._built = built
        self._workspace, self._recipe = workspace, recipe
        runs = workspace.out / "runs"
        self._scorer = Scorer(workspace, recipe, built, workspace.cards(), runs)
        self._artifacts: dict[tuple[str, int], Artifact | None] = {}

    def kept(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs whose task could be built and whose draw is no other's again."""
        built = [job for job in jobs if job.task in self._built[job.shots, job.draw, job.wording]]
        kept, told = without_repeats(built, self._built)
        for line in told:
            self._workspace.progress.say(line)
        return kept

    def specialise(self, model: str) -> None:
        for make in range(self._recipe.makes):
            self._artifact(model, make)

    def write(self, jobs: Sequence[Job]) -> None:
        self._scorer.write([(job, self._artifact(job.model, job.make)) for job in jobs])

    def record(self, job: Job, label: str) -> Record:
        return self._scorer.record(job, self._artifact(job.model, job.make), label)

    def floors(self, records: Sequence[Record]) -> list[Record]:
        """Records of what scores without a model, beside those of models."""
        from harness.executors.floors import record_floors

        def task_of(record: Record) -> Any:
            way = (record.manifest[key] for key in ("shots", "draw", "wording"))
            return self._built[cast("tuple[int, int, int]", tuple(way))][record.manifest["task"]]

        return record_floors(records, task_of, self._workspace.out / "runs")

    def _artifact(self, model: str, make: int) -> Artifact | None:
        if (model, make) not in self._artifacts:
            found = self._workspace.artifact(model, self._recipe, make=make)
            self._artifacts[model, make] = found
        return self._artifacts[model, make]


@dataclass(frozen=True)
class OpenRunWorker:
    """Makes the worker again in another process; see `harness.executors.base.OpenWorker`.

    It works in `folder`, that of the command, where there is such a one: a task's files of rows
    may be named relative to it.
    """

    config: Config
    data: Path | None
    trust_suites: bool
    dtype: str
    added: Added
    recipe: Recipe
    jobs: tuple[Job, ...]
    tasks: tuple[str, ...]
    folder: Path = field(default_factory=Path.cwd)

    def __call__(self, out: Path, progress: Progress, kept: OnStored | None) -> RunWorker:
        with suppress(OSError):
            os.chdir(self.folder)
        workspace = Workspace(
            out,
            config=self.config,
            data=self.data,
            trust_suites=self.trust_suites,
            dtype=self.dtype,
            progress=progress,
            added=self.added,
            kept=kept,
        )
        return RunWorker(workspace, self.recipe, self.jobs, self.tasks)
