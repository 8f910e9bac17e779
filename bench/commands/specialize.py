"""`bench specialize`: one specialised model, made or found."""

from __future__ import annotations

import argparse

from bench.commands.options import model_options, output_options, recipe_of, workspace_of
from bench.workspace import name_of
from harness.doors.terminal import say, say_json
from harness.models.places import is_place

NAME = "specialize"
HELP = "make a specialised model, print its folder"
ALIASES = ("specialise",)
EXAMPLES = (
    "bench specialize selfspec --model smollm2",
    "bench specialize selfspec --model smollm2 --budget small --domain finance --set examples=50",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("specializer")
    sub.add_argument("--model", required=True)
    model_options(sub)
    output_options(sub)


def call(args: argparse.Namespace) -> int:
    workspace = workspace_of(args)
    artifact = workspace.artifact(f"{args.specializer}-{args.model}", recipe_of(args))
    assert artifact is not None  # a specializer was named
    # A place is known by its name in this process alone; the recipe finds the artifact again.
    beside = f"{args.model},{args.specializer}-{args.model}"
    if not is_place(args.model):
        beside = f"{artifact.base},{name_of(artifact)}"
    workspace.progress.say(
        f"next, to score it beside its base: bench run --models {beside} --tasks biomed-mini"
    )
    if args.json:
        say_json(dict(artifact.manifest), sort=True)
    else:
        say(artifact.folder)
    return 0
