"""`bench validate`: tasks and the seeds of domains, checked without a model."""

from __future__ import annotations

import argparse

from bench.commands.options import data_options, names, trust_options, workspace_of
from harness.doors.terminal import say, say_json

NAME = "validate"
HELP = "check tasks, and the seeds of domains, without a model"
EXAMPLES = (
    "bench validate --tasks biomed-mini",
    "bench validate --domain biomed",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--tasks", type=names, help="these tasks only (default: biomed-mini)")
    sub.add_argument(
        "--domain", type=names, help="the seeds of these domains only (default: of every domain)"
    )
    sub.add_argument("--json", action="store_true", help="print JSON")
    data_options(sub)
    trust_options(sub)


def call(args: argparse.Namespace) -> int:
    from bench.api import validate

    found = validate(args.tasks or (), args.domain, workspace=workspace_of(args))
    if args.json:
        shown = {"tasks": list(map(vars, found.findings)),
                 "domains": list(map(vars, found.seed_findings))}  # fmt: skip
        say_json(shown)
        return 0 if found.sound else 2
    for finding in found.findings:
        say(f"{finding.level:7} {finding.task}: {finding.message}")
    if found.tasks:
        say(f"{len(found.tasks)} tasks validated, {found.task_errors} errors.")
    for one in found.seed_findings:
        say(f"{one.level:7} {one.domain}: {one.message}")
    if found.domains:
        say(
            f"{found.seeds} seeds of {', '.join(found.domains)} checked, against "
            f"{found.compared} test items; {found.seed_errors} errors."
        )
    return 0 if found.sound else 2
