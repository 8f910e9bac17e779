"""`bench run`: models over tasks, recorded, and their board."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.commands.board import write_board_of
from harness.commands.options import (
    board_format,
    count,
    data_options,
    model_options,
    names,
    output_options,
    shots,
)
from harness.commands.scoring import load_tasks, record_jobs
from harness.commands.session import Session, board_spec

if TYPE_CHECKING:
    from harness.types import Record

NAME = "run"
HELP = "run models over tasks, record, and show the board"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--models", type=names, required=True, help="A,selfspec-A,...")
    sub.add_argument("--tasks", type=names, required=True, help="tasks, groups or suites")
    sub.add_argument("--shots", type=shots, help="numbers of demonstrations (default: 0)")
    sub.add_argument("--draws", type=count, default=1, help="repeat with other demonstrations")
    sub.add_argument("--limit", type=count, default=0, help="first N items of each task only")
    sub.add_argument("--chat", choices=["auto", "on", "off"], default="auto")
    model_options(sub)
    data_options(sub)
    output_options(sub)
    board_format(sub)


def call(args: argparse.Namespace) -> int:
    from harness.leak_check import index_tasks
    from harness.plan import plan_jobs
    from harness.record import read_records
    from harness.suites import SuiteIndex
    from tasks.cards import load_cards

    session = Session(args)
    config, registry, progress = session.config, session.registry, session.progress
    index = SuiteIndex(registry.suites())
    resolved = [registry.resolve(name) for name in args.models]
    tasks = index.expand(args.tasks)
    cards = load_cards(registry.suites().values())
    shots = args.shots or config.defaults.shots or (0,)
    jobs = plan_jobs(
        [(r.name, r.model.name, r.specializer) for r in resolved],
        tasks,
        suite_of=lambda task: index.place(task).suite,
        shots=shots,
        draws=args.draws,
        limit=args.limit,
        chat=args.chat,
    )
    # Everything that can be wrong with the tasks is told before any model loads.
    built = load_tasks(session, index, jobs, tasks)
    if args.domain or any(r.specializer for r in resolved):
        for item in resolved:
            session.domain(item.domain)
    artifacts = {r.name: session.artifact(r.name) for r in resolved}
    items = index_tasks(next(iter(built.values()))) if any(artifacts.values()) else None
    records = record_jobs(session, jobs, built, cards, artifacts, items, session.out / "runs")
    progress.say(_work_line(records))
    # The board is of all records there, as `bench board` would rebuild it.
    everything = read_records(session.out / "runs")
    spec = board_spec(session.config, session.out, "", everything)
    return write_board_of(args, everything, spec, session.out)


def _work_line(records: Sequence[Record]) -> str:
    """How much was asked, computed and reused, as a person would want it."""
    reports = [record.manifest["engine_report"] for record in records]
    total = {
        key: sum(report.get(key, 0) for report in reports)
        for key in ("asked", "reused", "calls", "tokens_asked", "tokens_computed",
                    "tokens_generated", "seconds_prefill", "seconds_decode")
    }  # fmt: skip
    line = f"{total['asked']} requests, {total['reused']} answered from the store or shared"
    if total["calls"]:
        less = total["tokens_asked"] / max(total["tokens_computed"], 1)
        line += (
            f"; {total['calls']} model calls: asked {_tokens(total['tokens_asked'])} tokens, "
            f"computed {_tokens(total['tokens_computed'])} ({less:.1f}x less), "
            f"generated {_tokens(total['tokens_generated'])}; "
            f"prefill {total['seconds_prefill']:.0f} s, decode {total['seconds_decode']:.0f} s"
        )
    else:
        line += "; no model call"
    return line + "."


def _tokens(count: float) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.1f} k"
