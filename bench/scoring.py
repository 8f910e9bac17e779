"""Jobs -> records, for the commands that score models: leak check, prompts, the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from harness.executors.base import label

if TYPE_CHECKING:
    from bench.workspace import Session
    from harness.leaks.index import LeakIndex
    from harness.leaks.report import LeakReport
    from harness.suites.index import SuiteIndex
    from harness.types import Artifact, Job, PromptSpecializer, Record
    from tasks.cards import Card


def planned(
    session: Session, index: SuiteIndex, models: Sequence[tuple[str, str, str]]
) -> tuple[list[str], list[Job]]:
    """The tasks of the command line's `task_options`, and its jobs.

    Args:
        models: (name, name of the base, specializer or "").
    """
    from harness.plan import plan_jobs

    args = session.args
    tasks = index.expand(args.tasks)
    jobs = plan_jobs(
        models,
        tasks,
        suite_of=lambda task: index.place(task).suite,
        shots=args.shots or session.config.defaults.shots or (0,),
        draws=args.draws,
        limit=args.limit,
        chat=args.chat,
    )
    return tasks, jobs


def load_tasks(
    session: Session, index: SuiteIndex, jobs: Sequence[Job], tasks: Sequence[str]
) -> dict[tuple[int, int], dict[str, Any]]:
    """lm-eval tasks by (shots, draw) of the jobs, then by name."""
    data = session.args.data or session.config.defaults.data
    return {
        (k, draw): index.load(tasks, shots=k, draw=draw, data=data)
        for k, draw in dict.fromkeys((job.shots, job.draw) for job in jobs)
    }


def record_jobs(
    session: Session,
    jobs: Sequence[Job],
    built: Mapping[tuple[int, int], Mapping[str, Any]],
    cards: Mapping[str, Card],
    artifacts: Mapping[str, Artifact | None],
    items: LeakIndex | None,
    runs: Path,
) -> list[Record]:
    """Answer, score and record every job.

    Args:
        artifacts: by model; None for a base.
        built, cards, items, runs: see `Scorer`.
    """
    scorer = Scorer(session, built, cards, runs, items)
    return [
        scorer.record(job, artifacts[job.model], label(number, len(jobs), job))
        for number, job in enumerate(jobs, 1)
    ]


class Scorer:
    """Answers, scores and records jobs; what is read off an artifact is read once.

    Args:
        built: tasks as `load_tasks` gives them.
        runs: folder of the records.
        items: the test items that artifacts are checked against; None indexes those of `built`.
    """

    def __init__(
        self,
        session: Session,
        built: Mapping[tuple[int, int], Mapping[str, Any]],
        cards: Mapping[str, Card],
        runs: Path,
        items: LeakIndex | None = None,
    ) -> None:
        self._session = session
        self._built = built
        self._cards = cards
        self._runs = runs
        self._items = items
        self._leaks: dict[str, LeakReport] = {}
        self._rewrites: dict[str, Callable[[str], str]] = {}

    def record(self, job: Job, artifact: Artifact | None, label: str) -> Record:
        """Answer, score and record one job.

        Args:
            artifact: of the job's model; None for a base.
            label: what the user is told it is.
        """
        from dataclasses import asdict

        from harness.lm import StoredLM
        from harness.run import run_job

        session = self._session
        if artifact is not None and job.model not in self._leaks:
            self._read(job.model, artifact)
        spec = session.registry.resolve(job.model).model
        record = run_job(
            job,
            self._built[job.shots, job.draw][job.task],
            asdict(self._cards[job.task]) if job.task in self._cards else {},
            StoredLM(session.pool.asker(spec, artifact), label),
            session.pool.local(spec),
            artifact,
            self._leaks.get(job.model),
            self._rewrites.get(job.model),
            self._runs,
        )
        session.progress.say(f"{label}: {_summary_line(record)}")
        return record

    def _read(self, model: str, artifact: Artifact) -> None:
        """What an artifact holds of the test items, and how it rewrites their inputs."""
        from harness.leaks.check import check_artifact, index_tasks

        registry = self._session.registry
        if self._items is None:
            self._items = index_tasks(next(iter(self._built.values())))
        domain = self._session.domain(registry.resolve(model).domain)
        self._leaks[model] = check_artifact(self._items, artifact, domain)
        if artifact.kind == "prompt":
            specializer = cast("PromptSpecializer", registry.specializer(artifact.specializer))
            self._rewrites[model] = specializer.rewrite_input(artifact.folder)


def _summary_line(record: Record) -> str:
    main, summary = record.manifest["main_metric"], record.summary
    value = summary["metrics"].get(main)
    shown = "no score" if value is None else f"{main} {100 * value:.1f}"
    return f"{shown}, n {summary['n']}, unparseable {summary['n_unparseable']}"
