"""`bench explain`: the answers that changed, and the training examples nearest to them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from bench.commands.options import count, output_options
from bench.explaining import artifact_of, pairs_of, sources_of, with_nearest
from bench.workspace import out_folder

if TYPE_CHECKING:
    pass

NAME = "explain"
HELP = "show which answers changed against the base, and what the model was trained on near them"


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
    from bench.config import load_config
    from harness.files import write_json
    from harness.progress import open_progress
    from leaderboards.explain import Explanation, as_json, find_changes, render_terminal

    out = out_folder(args, load_config())
    pairs = pairs_of(out / "runs", args.model, args.task, args.shots)
    rule, total, changes = find_changes(pairs)
    manifest = pairs[0][1].manifest
    artifact = artifact_of(out / "artifacts", manifest)
    progress = open_progress(args.quiet or args.json)
    changes, method = with_nearest(changes, artifact, args.embedding, progress)
    explanation = Explanation(
        model=args.model,
        base=manifest["base"],
        task=manifest["task"],
        shots=args.shots,
        metric=manifest["main_metric"],
        items=total,
        rule=rule,
        method=method,
        changes=changes,
        sources=sources_of(artifact, changes),
    )
    path = out / "explain" / args.model / f"{explanation.task}@{args.shots}.json"
    content = as_json(explanation)
    write_json(path, content)
    if args.json:
        print(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False))
    elif not args.quiet:
        from rich.console import Console

        Console().print(render_terminal(explanation, args.items))
        print(f"All of it: {path}")
    return 0
