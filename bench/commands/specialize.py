"""`bench specialize`: one specialised model, made or found."""

from __future__ import annotations

import argparse

from bench.commands.options import (
    makes_options,
    model_options,
    output_options,
    recipe_of,
    workspace_of,
)
from bench.workspace import name_of
from harness.doors.terminal import say, say_json
from harness.errors import UserError

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
    makes_options(sub)
    output_options(sub)


def call(args: argparse.Namespace) -> int:
    from harness.models.places import is_place

    workspace = workspace_of(args)
    name, recipe = f"{args.specializer}-{args.model}", recipe_of(args)
    if fault := workspace.several_makes(workspace.resolve(name), recipe):
        raise UserError(fault)
    made = [workspace.artifact(name, recipe, make=make) for make in range(recipe.makes)]
    artifacts = [artifact for artifact in made if artifact is not None]
    artifact = artifacts[0]  # a specializer was named
    # A place is known by its name in this process alone; the recipe finds the artifact again.
    beside = f"{args.model},{args.specializer}-{args.model}"
    if len(artifacts) > 1:
        beside += f" --makes {len(artifacts)}"
        beside += " --makes-of training" if recipe.makes_of == "training" else ""
    elif not is_place(args.model):
        beside = f"{artifact.base},{name_of(artifact)}"
    workspace.progress.say(
        f"next, to score it beside its base: bench run --tasks biomed-mini --models {beside}"
    )
    if args.json:
        found = [dict(artifact.manifest) for artifact in artifacts]
        say_json(found if len(found) > 1 else found[0], sort=True)
    else:
        for artifact in artifacts:
            say(artifact.folder)
    return 0
