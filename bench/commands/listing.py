"""`bench list`: what is registered, and where each comes from."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.commands.options import workspace_of
from bench.plugins import domain_folders
from harness.doors.terminal import say, say_json
from harness.errors import UserError

if TYPE_CHECKING:
    from bench.workspace import Workspace
    from harness.registry import Registry

NAME = "list"
HELP = "list what is registered: suites and models, or all of one kind"
EXAMPLES = ("bench list", "bench list tasks --all --json")
KINDS = ("suites", "models", "tasks", "specializers", "boards", "domains")
# What `bench list` alone shows, in less than a second.
FIRST = ("suites", "models")

Line = tuple[str, str, str]  # name, note, origin


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("kind", nargs="?", choices=KINDS, help="default: suites and models")
    sub.add_argument(
        "--all", action="store_true", help="tasks: lm-eval's own too (10,000 and more)"
    )
    sub.add_argument("--origin", action="store_true", help="show where each comes from")
    sub.add_argument(
        "--json", action="store_true", help="print JSON: every kind unless one is named"
    )


def call(args: argparse.Namespace) -> int:
    if args.all and args.kind != "tasks":
        raise UserError("--all goes with tasks: bench list tasks --all.")
    workspace = workspace_of(args)
    kinds = (args.kind,) if args.kind else KINDS if args.json else FIRST
    listing = {kind: list(_lines(workspace, kind, args.all)) for kind in kinds}
    if args.json:
        keys = ("name", "note", "origin")
        made = {
            kind: [dict(zip(keys, line, strict=True)) for line in lines]
            for kind, lines in listing.items()
        }
        say_json(made)
        return 0
    from rich.table import Table

    from harness.doors.terminal import open_console

    for kind, lines in listing.items():
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False)
        table.add_column("name", no_wrap=True)
        table.add_column("note", overflow="fold")
        if args.origin:
            table.add_column("origin", overflow="fold")
        for name, note, origin in lines:
            table.add_row(name, note, *([origin] if args.origin else []))
        open_console().print(table, "")
    if not args.kind:
        say(f"More: bench list {' | '.join(kind for kind in KINDS if kind not in FIRST)}")
    return 0


def _lines(workspace: Workspace, kind: str, everything: bool) -> Iterable[Line]:
    registry = workspace.registry
    if kind == "suites":
        for name, folder in registry.suites().items():
            tasks = sum(1 for _ in folder.glob("**/*.card.toml"))
            yield _spelled(name), f"{tasks} tasks" if tasks else "", registry.origin(kind, name)
    elif kind == "tasks":
        index = workspace.suites
        for name in index.group_names:
            yield _spelled(name), f"group of {index.listed(name)}", index.place(name).suite
        for name in index.task_names:
            yield name, "", index.place(name).suite
        for name in index.own_names if everything else ():
            yield name, "", index.place(name).suite
    elif kind == "domains":
        for name, path in domain_folders(workspace.config).items():
            yield name, "", str(path)
    else:
        for name in registry.names(kind):
            yield name, _note(registry, kind, name), registry.origin(kind, name)


def _spelled(name: str) -> str:
    """Suites and groups with hyphens, as documents and boards spell them; either is understood."""
    return name.replace("_", "-")


def _note(registry: Registry, kind: str, name: str) -> str:
    if kind == "models":
        spec = registry.model(name)
        facts = [spec.kind, spec.parameters, spec.licence, spec.note]
        return ", ".join(fact for fact in facts if fact)
    return registry.specializer(name).summary if kind == "specializers" else ""
