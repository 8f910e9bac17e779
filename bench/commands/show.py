"""`bench show`: the prompt of one item."""

from __future__ import annotations

import argparse

from bench.commands.options import count, data_options, trust_options, workspace_of
from bench.scoring import shots_of
from harness.errors import UserError

NAME = "show"
HELP = "print the prompt of one item"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("task")
    sub.add_argument("--shots", type=count, help="default: the YAML's num_fewshot")
    sub.add_argument("--draw", type=count, default=0)
    sub.add_argument("--item", type=count, default=0)
    data_options(sub)
    trust_options(sub)


def call(args: argparse.Namespace) -> int:
    from tasks.show import render

    workspace = workspace_of(args)
    index = workspace.suites
    name, *others = index.expand([args.task])
    if others:
        members = ", ".join([name, *others])
        raise UserError(f"'{args.task}' is {1 + len(others)} tasks; show one of: {members}.")
    asked = () if args.shots is None else (args.shots,)
    (shots,) = shots_of(index.shots_of(name), asked)
    loaded = index.load([name], shots=shots, draw=args.draw, data=workspace.data)
    print(render(loaded[name], shots, args.item, args.draw))
    return 0
