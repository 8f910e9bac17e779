"""`bench data`: which data sets are here, and the rest fetched."""

from __future__ import annotations

import argparse

from bench.commands.options import data_options, names, workspace_of
from harness.doors.terminal import say_json
from harness.errors import UserError

NAME = "data"
HELP = "show which data sets are here, or fetch them"
EXAMPLES = (
    "bench data status",
    "bench data fetch biomed",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("action", choices=["status", "fetch"])
    sub.add_argument("names", type=names, nargs="?", help="tasks, groups or suites (default: all)")
    sub.add_argument("--json", action="store_true", help="print JSON")
    data_options(sub)


def call(args: argparse.Namespace) -> int:
    from tasks.origins import fetching as origins

    workspace = workspace_of(args)
    every = workspace.cards()
    names = workspace.suites.expand(args.names) if args.names else list(every)
    cards = [every[name] for name in names if name in every]
    rows: list[tuple[str, str, str]]
    if args.action == "fetch":
        reports = origins.fetch_all(cards)
        rows = [(r.dataset, r.outcome, r.message) for r in reports]
        failed = any(report.outcome == "failed" for report in reports)
    else:
        mirror = workspace.data
        if mirror and not mirror.is_dir():
            raise UserError(f"--data {mirror}: no such folder.")
        states = origins.status(cards, str(mirror) if mirror else None)
        rows = [
            (s.dataset, s.place, f"{s.n_test} test, {s.n_train} train, {s.sha256[:12]} {s.note}")
            if s.folder
            else (s.dataset, s.place, s.note)
            for s in states
        ]
        failed = False
    if args.json:
        keys = ("dataset", "state", "message")
        say_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        from rich.table import Table

        from harness.doors.terminal import open_console

        table = Table(box=None, pad_edge=False, show_header=False)
        for row in rows:
            table.add_row(*row)
        open_console().print(table)
    return 2 if failed else 0
