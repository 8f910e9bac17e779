"""`bench list`: what is registered, and where each comes from."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from bench.commands.options import workspace_of
from bench.plugins import domain_folders

if TYPE_CHECKING:
    from harness.registry import Registry

NAME = "list"
HELP = "list what is registered"


def options(sub: argparse.ArgumentParser) -> None:
    kinds = ["models", "tasks", "specializers", "boards", "domains"]
    sub.add_argument("kind", nargs="?", choices=kinds)
    sub.add_argument("--origin", action="store_true", help="show where each comes from")
    sub.add_argument("--json", action="store_true", help="print JSON")


def call(args: argparse.Namespace) -> int:
    workspace = workspace_of(args)
    registry = workspace.registry
    kinds = [args.kind] if args.kind else ["models", "specializers", "tasks", "boards", "domains"]
    listing: dict[str, list[dict[str, str]]] = {}
    for kind in kinds:
        if kind == "tasks":
            index = workspace.suites
            sizes = {name: len(index.expand([name])) for name in index.group_names}
            rows = [(name, f"group of {size} tasks") for name, size in sizes.items()]
            rows += [(name, "") for name in index.task_names]
            origins = {name: index.place(name).suite for name, _ in rows}
        elif kind == "domains":
            origins = {name: str(path) for name, path in domain_folders(workspace.config).items()}
            rows = [(name, "") for name in origins]
        else:
            rows = [(name, _note(registry, kind, name)) for name in registry.names(kind)]
            origins = {name: registry.origin(kind, name) for name, _ in rows}
        listing[kind] = [
            {"name": name, "note": note, "origin": origins[name]} for name, note in rows
        ]
    if args.json:
        print(json.dumps(listing, indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    for kind, lines in listing.items():
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False)
        table.add_column("name", no_wrap=True)
        table.add_column("note", overflow="fold")
        if args.origin:
            table.add_column("origin", overflow="fold")
        for line in lines:
            table.add_row(line["name"], line["note"], *([line["origin"]] if args.origin else []))
        Console().print(table, "")
    return 0


def _note(registry: Registry, kind: str, name: str) -> str:
    if kind == "models":
        spec = registry.model(name)
        facts = [spec.kind, spec.parameters, spec.licence, spec.note]
        return ", ".join(fact for fact in facts if fact)
    return registry.specializer(name).summary if kind == "specializers" else ""
