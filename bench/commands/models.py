"""`bench models`: a model fetched, and its folder."""

from __future__ import annotations

import argparse

from bench.plugins import open_registry

NAME = "models"
HELP = "fetch a model and print its folder"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("action", choices=["path"], help="fetch if needed, print the local folder")
    sub.add_argument("name")
    sub.add_argument("--quiet", action="store_true", help="no progress")


def call(args: argparse.Namespace) -> int:
    from bench.config import load_config
    from harness.models.sources import fetch
    from harness.progress import open_progress

    registry = open_registry(load_config())
    local = fetch(registry.model(args.name), progress=open_progress(args.quiet))
    print(local.folder)
    return 0
