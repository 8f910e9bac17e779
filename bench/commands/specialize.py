"""`bench specialize`: one specialised model, made or found."""

from __future__ import annotations

import argparse
import shlex

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
    if len(artifacts) > 1 or is_place(args.model):
        # Several have no digest in common, and a place is known by its name in this process
        # alone; the recipe finds the artifacts again.
        beside = f"{args.model},{args.specializer}-{args.model}{_recipe_options(args)}"
    else:
        beside = f"{artifact.base},{name_of(artifact)}"
    beside += "".join(f" --{key} {value}" for key in ("dtype", "out") if (value := _of(args, key)))
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


def _recipe_options(args: argparse.Namespace) -> str:
    """The options that say how it was made, as they are typed; none that is left as it is."""
    usual = {"budget": "tiny", "makes": "1", "makes-of": "all"}
    found = {key: _of(args, key) for key in ("budget", "domain", "corpus", "base", *usual)}
    told = [f" --{key} {value}" for key, value in found.items() if value != usual.get(key, "")]
    return "".join([*told, *(f" --set {shlex.quote(change)}" for change in args.set)])


def _of(args: argparse.Namespace, key: str) -> str:
    """An option's value, quoted for a shell; "" where there is none."""
    value = getattr(args, key.replace("-", "_"))
    return shlex.quote(str(value)) if value else ""
