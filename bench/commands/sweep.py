"""`bench sweep`: a specialised model's score against one parameter of its making."""

from __future__ import annotations

import argparse

from bench.commands.options import (
    model_options,
    output_options,
    recipe_of,
    task_options,
    ways_of,
    workspace_of,
)
from harness.doors.terminal import say

NAME = "sweep"
HELP = "score a specialised model against one parameter of its making"
EXAMPLES = (
    "bench sweep --model smollm2 --specializer selfspec --tasks biomed-mini --vary examples=8,16",
    "bench sweep --model smollm2 --specializer selfspec --tasks biomed-mini --split train "
    "--vary type_shares=kept,seeds",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--model", required=True, help="the base")
    sub.add_argument("--specializer", required=True)
    task_options(sub)
    sub.add_argument(
        "--vary",
        required=True,
        metavar="KEY=V,V,...",
        help="a parameter of the specializer, or seeds, and its values: numbers or choices",
    )
    sub.add_argument(
        "--split",
        choices=("test", "train"),
        default="test",
        help="whose items are asked; train is for choosing among variants (default: test)",
    )
    sub.add_argument("--name", default="", help="of the result (default: from the others)")
    model_options(sub)
    output_options(sub)


def call(args: argparse.Namespace) -> int:
    from bench.api import sweep
    from bench.sweeping import read_vary
    from leaderboards.sweeps import notes, render_terminal

    vary = read_vary(args.vary)
    found = sweep(
        args.specializer,
        args.model,
        args.tasks,
        {vary.name: vary.values},
        **ways_of(args),
        split=args.split,
        recipe=recipe_of(args),
        name=args.name,
        workspace=workspace_of(args),
    )
    if args.json:
        say(found.path.read_text(encoding="utf-8"), end="")
    elif not args.quiet:
        from harness.doors.terminal import open_console

        for one in found.sweeps:
            open_console().print(render_terminal(one))
            for line in notes(one):
                say(line)
        beside = found.path.with_suffix(".csv").name
        say(f"Every task's curve: {found.path} and {beside} beside it")
    return 0
