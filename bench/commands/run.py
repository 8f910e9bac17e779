"""`bench run`: models over tasks, recorded, and their board."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from bench.commands.board.build import write_board_of
from bench.commands.options import (
    board_format,
    makes_options,
    model_options,
    names,
    output_options,
    recipe_of,
    task_options,
    ways_of,
    workspace_of,
)
from harness.doors.terminal import complain
from harness.errors import Unfinished

if TYPE_CHECKING:
    from bench.workspace import Workspace
    from harness.types import Record

NAME = "run"
HELP = "run models over tasks, record, and show the board"
EXAMPLES = (
    "bench run --models smollm2,selfspec-smollm2 --tasks biomed-mini --makes 3",
    "bench run --models ./my-lora --base smollm2 --tasks biomed-mini --shots 0,2 --limit 12",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--models", type=names, required=True, help="A,selfspec-A,...")
    task_options(sub)
    model_options(sub)
    makes_options(sub)
    output_options(sub)
    board_format(sub)
    sub.add_argument(
        "--floors", action="store_true", help="beside the models: what scores without one"
    )
    sub.add_argument(
        "--fail-on-leaks",
        action="store_true",
        help="exit code 1 where what a model was made from holds test items",
    )
    sub.add_argument("--executor", choices=["local", "ray"], default="local", help="where jobs run")
    sub.add_argument("--address", default="", help="of a running Ray cluster, such as auto")
    sub.add_argument("--storage", default="", help="s3://...: for nodes that do not see --out")


def call(args: argparse.Namespace) -> int:
    workspace = workspace_of(args)
    unfinished: Unfinished | None = None
    try:
        records = _records(args, workspace)
    except Unfinished as error:
        unfinished, records = error, cast("Sequence[Record]", error.done)
    workspace.progress.say(_work_line(records))
    # The board is of all records there, as `bench board` would rebuild it.
    everything = workspace.records()
    code = write_board_of(args, everything, workspace.board_spec("", everything), workspace.out)
    if args.fail_on_leaks and (leaked := _leaked(records)):
        complain(f"bench: --fail-on-leaks: test items in what these were made from: {leaked}")
        code = 1
    if unfinished is None:
        return code
    complain(f"bench: not everything could be run ({len(records)} records):")
    complain(unfinished)
    return 1


def _records(args: argparse.Namespace, workspace: Workspace) -> Sequence[Record]:
    from bench.api import run

    return run(
        args.models,
        args.tasks,
        **ways_of(args),
        floors=args.floors,
        recipe=recipe_of(args),
        executor=args.executor,
        address=args.address,
        storage=args.storage,
        workspace=workspace,
    ).records


def _leaked(records: Sequence[Record]) -> str:
    """ "selfspec-smollm2 (hoc 3 of 40, ...)" of each model with flagged items, else ""."""
    from leaderboards.records.rows import leaked_ids

    counts: dict[str, list[str]] = {}
    for record in records:
        if flagged := len(leaked_ids(record)):
            told = f"{record.manifest['task']} {flagged} of {len(record.items)}"
            counts.setdefault(record.manifest["model"], []).append(told)
    return "; ".join(f"{model} ({', '.join(of)})" for model, of in counts.items())


def _work_line(records: Sequence[Record]) -> str:
    """How much was asked, computed and reused, as a person would want it."""
    reports = [record.manifest["engine_report"] for record in records]
    total = {
        key: sum(report.get(key, 0) for report in reports)
        for key in ("asked", "reused", "calls", "tokens_asked", "tokens_computed",
                    "tokens_generated", "seconds_prefill", "seconds_decode")
    }  # fmt: skip
    line = f"{total['asked']} requests, {total['reused']} answered from the store or shared"
    if total["calls"]:
        less = total["tokens_asked"] / max(total["tokens_computed"], 1)
        line += (
            f"; {total['calls']} model calls: asked {_tokens(total['tokens_asked'])} tokens, "
            f"computed {_tokens(total['tokens_computed'])} ({less:.1f}x less), "
            f"generated {_tokens(total['tokens_generated'])}; "
            f"prefill {total['seconds_prefill']:.0f} s, decode {total['seconds_decode']:.0f} s"
        )
    else:
        line += "; no model call"
    return line + "."


def _tokens(count: float) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.1f} k"
