"""`bench explain`: the answers that changed, and the training examples nearest to them."""

from __future__ import annotations

import argparse

from bench.commands.options import count, output_options, workspace_of
from harness.doors.terminal import say, say_json

NAME = "explain"
HELP = "show which answers changed against the base, and what the model was trained on near them"
EXAMPLES = (
    "bench explain selfspec-smollm2 --task mini_yesno",
    "bench explain selfspec-smollm2 --task mini_yesno --shots 2 --items 10",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", help="a specialised model, such as selfspec-smollm2")
    sub.add_argument("--task", required=True)
    sub.add_argument("--shots", type=count, default=0)
    sub.add_argument("--items", type=count, default=5, help="items of each kind in the terminal")
    sub.add_argument(
        "--embedding",
        default="minilm",
        help="embedding model that finds the nearest examples, or none (default: minilm)",
    )
    output_options(sub)


def call(args: argparse.Namespace) -> int:
    from bench.api import explain
    from leaderboards.explain import as_json, render_terminal

    args.quiet = args.quiet or args.json
    found = explain(
        args.model,
        args.task,
        shots=args.shots,
        embedding=args.embedding,
        workspace=workspace_of(args),
    )
    if args.json:
        say_json(as_json(found.content), sort=True)
    elif not args.quiet:
        from harness.doors.terminal import open_console

        open_console().print(render_terminal(found.content, args.items))
        say(f"All of it: {found.path}")
    return 0
