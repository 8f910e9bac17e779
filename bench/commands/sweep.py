"""`bench sweep`: a specialised model's score against one parameter of its making."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from bench.commands.options import model_options, output_options, task_options
from bench.plugins import open_suites
from bench.scoring import load_tasks, planned, record_jobs
from bench.sweeping import changes_of
from bench.workspace import Session
from harness.errors import UserError

if TYPE_CHECKING:
    pass

NAME = "sweep"
HELP = "score a specialised model against one parameter of its making"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--model", required=True, help="the base")
    sub.add_argument("--specializer", required=True)
    task_options(sub)
    sub.add_argument(
        "--vary",
        required=True,
        metavar="KEY=V,V,...",
        help="a numeric parameter of the specializer, or seeds, and its values",
    )
    sub.add_argument("--name", default="", help="of the result (default: from the others)")
    model_options(sub)
    output_options(sub)


def call(args: argparse.Namespace) -> int:
    from bench.sweeping import read_vary
    from harness.leaks.check import index_tasks
    from leaderboards.sweeps import notes, render_terminal, sweep_of, write_sweep
    from tasks.cards import load_cards

    session = Session(args)
    vary = read_vary(args.vary)
    index = open_suites(session.registry, session.config, args)
    cards = load_cards(session.registry.suites().values())
    model = f"{args.specializer}-{args.model}"
    resolved = session.registry.resolve(model)
    domain = session.domain(resolved.domain)
    changes = changes_of(session, resolved.specializer, vary, domain)
    name = args.name or f"{model}-{vary.name}"
    if not re.fullmatch(r"[\w.@-]+", name):
        raise UserError(f"--name {name}: expected letters, digits and . _ - @ only.")
    folder = session.out / "sweeps" / name
    models = [(args.model, args.model, ""), (model, resolved.model.name, resolved.specializer)]
    tasks, jobs = planned(session, index, models)
    built = load_tasks(session, index, jobs, tasks)
    items = index_tasks(next(iter(built.values())))
    mine = [job for job in jobs if job.specializer]
    points = []
    # The highest value first: what a lower one asks the model is, where stages are
    # shared, the beginning of it, and comes back from the store.
    for value, (settings, changed) in reversed(changes.items()):
        session.progress.say(f"{vary.name} = {value}")
        artifact = session.artifact(model, settings, changed)
        assert artifact is not None  # a specializer was named
        runs = folder / f"{vary.name}={value}"
        records = record_jobs(session, mine, built, cards, {model: artifact}, items, runs)
        points.append((float(value), artifact.manifest, records))
    others = [job for job in jobs if not job.specializer]
    base = record_jobs(session, others, built, cards, {args.model: None}, None, folder / "base")
    sweeps = sweep_of(name, vary.name, points, base)
    facts = {
        "specializer": resolved.specializer,
        "domain": domain.name,
        "budget": args.budget,
        "settings": sorted(args.set),
        "limit": args.limit,
    }
    path = write_sweep(sweeps, facts, session.out / "sweeps")
    if args.json:
        print(path.read_text(encoding="utf-8"), end="")
    elif not args.quiet:
        from rich.console import Console

        for sweep in sweeps:
            Console().print(render_terminal(sweep))
            for line in notes(sweep):
                print(line)
        print(f"Every task's curve: {path} and {path.with_suffix('.csv').name} beside it")
    return 0
