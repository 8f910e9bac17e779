"""`bench specialize`: one specialised model, made or found."""

from __future__ import annotations

import argparse
import json

from bench.commands.options import model_options, output_options, recipe_of, workspace_of

NAME = "specialize"
HELP = "make a specialised model, print its folder"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("specializer")
    sub.add_argument("--model", required=True)
    model_options(sub)
    output_options(sub)


def call(args: argparse.Namespace) -> int:
    artifact = workspace_of(args).artifact(f"{args.specializer}-{args.model}", recipe_of(args))
    assert artifact is not None  # a specializer was named
    if args.json:
        print(json.dumps(dict(artifact.manifest), indent=2, sort_keys=True))
    else:
        print(artifact.folder)
    return 0
