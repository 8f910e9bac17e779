"""Models over tasks -> records, here or over a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plugins import open_suites
from bench.scoring import planned
from bench.worker import OpenRunWorker, RunWorker
from bench.workspace import Session
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.executors.base import Executor
    from harness.registry import Resolved
    from harness.types import Job, Record


def record(args: argparse.Namespace) -> tuple[Session, list[Record]]:
    """Everything but the board."""
    from harness.executors.base import LocalExecutor

    if args.executor == "local" and (args.address or args.storage):
        raise UserError("--address and --storage go with --executor ray; add it or leave them out.")
    session = Session(args)
    config, registry = session.config, session.registry
    index = open_suites(registry, config, args)
    resolved = [registry.resolve(name) for name in args.models]
    models = [(r.name, r.model.name, r.specializer) for r in resolved]
    tasks, jobs = planned(session, index, models)
    worker = RunWorker(session, jobs, tasks)
    if args.domain or any(r.specializer for r in resolved):
        for item in resolved:
            session.domain(item.domain)
    specialised = [r.name for r in resolved if r.specializer]
    executor: Executor = LocalExecutor(worker)
    if args.executor == "ray":
        executor = _over_ray(args, session, resolved, jobs, tasks)
    return session, executor.run(specialised, jobs)


def _over_ray(
    args: argparse.Namespace,
    session: Session,
    resolved: Sequence[Resolved],
    jobs: Sequence[Job],
    tasks: Sequence[str],
) -> Executor:
    from harness.executors.ray import RayExecutor

    # Nodes start in folders of their own.
    here = {key: value.absolute() for key, value in vars(args).items() if isinstance(value, Path)}
    away = argparse.Namespace(**{**vars(args), **here})
    registry = session.registry
    return RayExecutor(
        OpenRunWorker(away, session.config, tuple(jobs), tuple(tasks)),
        session.out,
        session.progress,
        address=args.address,
        storage=args.storage,
        bases={r.name: r.model.name for r in resolved},
        own_weights={
            r.name: registry.specializer(r.specializer).kind == "adapter"
            for r in resolved
            if r.specializer
        },
        needs={r.model.name: r.model.resources for r in resolved},
    )
