"""`bench models`: a model fetched, and its folder."""

from __future__ import annotations

import argparse

from bench.commands.options import workspace_of
from harness.doors.terminal import say

NAME = "models"
HELP = "fetch a model and print its folder"
EXAMPLES = (
    "bench models path smollm2",
    "bench models path hf:owner/name@main",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("action", choices=["path"], help="fetch if needed, print the local folder")
    sub.add_argument("name")
    sub.add_argument("--quiet", action="store_true", help="no progress")


def call(args: argparse.Namespace) -> int:
    from harness.models.sources import fetch

    workspace = workspace_of(args)
    local = fetch(workspace.resolve(args.name).model, progress=workspace.progress)
    say(local.folder)
    return 0
