"""Jobs -> records, for the commands that score models: leak check, prompts, the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from harness.commands.session import Session
    from harness.leak_index import LeakIndex
    from harness.suites import SuiteIndex
    from harness.types import Artifact, Job, PromptSpecializer, Record
    from tasks.cards import Card


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
        built: tasks as `load_tasks` gives them.
        artifacts: by model; None for a base.
        items: the test items that artifacts are checked against; needed where there are artifacts.
        runs: folder of the records.
    """
    from dataclasses import asdict

    from harness.leak_check import check_artifact
    from harness.lm import StoredLM
    from harness.run import run_job

    registry = session.registry
    leaks, rewrites = {}, {}
    for name, artifact in artifacts.items():
        if artifact is None:
            continue
        assert items is not None
        leaks[name] = check_artifact(items, artifact, session.domain(registry.resolve(name).domain))
        if artifact.kind == "prompt":
            specializer = cast("PromptSpecializer", registry.specializer(artifact.specializer))
            rewrites[name] = specializer.rewrite_input(artifact.folder)
    records = []
    for number, job in enumerate(jobs, 1):
        spec = registry.resolve(job.model).model
        artifact = artifacts[job.model]
        label = f"[{number}/{len(jobs)}] {job.model} {job.task}@{job.shots}"
        record = run_job(
            job,
            built[job.shots, job.draw][job.task],
            asdict(cards[job.task]) if job.task in cards else {},
            StoredLM(session.pool.asker(spec, artifact), label),
            session.pool.local(spec),
            artifact,
            leaks.get(job.model),
            rewrites.get(job.model),
            runs,
        )
        session.progress.say(f"{label}: {_summary_line(record)}")
        records.append(record)
    return records


def _summary_line(record: Record) -> str:
    main, summary = record.manifest["main_metric"], record.summary
    value = summary["metrics"].get(main)
    shown = "no score" if value is None else f"{main} {100 * value:.1f}"
    return f"{shown}, n {summary['n']}, unparseable {summary['n_unparseable']}"
