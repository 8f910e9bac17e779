"""`bench board export`: a board's results in other harnesses' formats."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable
from pathlib import Path

from bench.commands.options import board_name, folder_options, told_refused, workspace_of
from bench.workspace import Workspace
from harness.doors.terminal import complain, say
from harness.errors import UserError

NAME = "export"
HELP = "write the results in another format: lm-eval, Every Eval Ever, the Hugging Face hub's"
EXAMPLES = (
    "bench board export --format lm-eval --to exported",
    "bench board export --format lm-eval --to exported --out results",
)
FORMATS = ("lm-eval", "every-eval-ever", "eval-results", "model-index")


def options(sub: argparse.ArgumentParser) -> None:
    board_name(sub)
    sub.add_argument("--format", choices=FORMATS, required=True)
    sub.add_argument("--to", type=Path, required=True, help="the folder to write")
    sub.add_argument(
        "--dataset",
        default="",
        metavar="OWNER/NAME",
        help="eval-results: the hub's data set for tasks that are of none",
    )
    sub.add_argument(
        "--organization",
        default="",
        help="every-eval-ever, eval-results: who ran the models (a name on the hub)",
    )
    sub.add_argument(
        "--source",
        default="",
        metavar="URL",
        help="eval-results: where the results can be read",
    )
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from leaderboards.pages.files import write_site

    workspace = workspace_of(args)
    refused: list[str] = []
    files = dict(_files(args, workspace, refused))
    if not files:
        raise UserError(f"{workspace.out / 'runs'}: nothing to write as {args.format}.")
    # What an earlier export of this format wrote and this one does not is of models that are gone.
    write_site(args.to, files.items(), f"exported-{args.format}.txt")
    if not args.quiet:
        say(f"{len(files)} files in {args.to}")
    return told_refused(refused)


def _files(
    args: argparse.Namespace, workspace: Workspace, refused: list[str]
) -> Iterable[tuple[str, str]]:
    from datetime import UTC, datetime

    from leaderboards.build import build
    from leaderboards.exchange import eval_results, every_eval_ever, lm_eval_export, model_index
    from leaderboards.exchange.origin import UNKNOWN, developers, identities
    from leaderboards.gather import gather, shown

    # Of the export, not of the runs, which carry no clock.
    now = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    records = workspace.records()
    spec = workspace.board_spec(args.name, records)
    if args.format == "lm-eval":
        sections = gather(records, spec, refused)
        return lm_eval_export.result_files(shown(sections), datetime.fromtimestamp(now))
    cards = workspace.cards()
    board = build(records, spec)
    refused += board.refused
    of_rows = identities(gather(records, spec, []))
    if args.format == "model-index":
        return model_index.result_files(board, cards, of_rows)
    if args.format == "every-eval-ever":
        makers = developers(records, workspace.config.defaults.developer or "")
        who = args.organization or UNKNOWN
        return every_eval_ever.result_files(board, cards, now, who, makers, of_rows)
    date = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    source = eval_results.Source(date, args.source, board.title, args.organization)
    found = eval_results.result_files(board, cards, args.dataset, source, of_rows)
    if found.left_out:
        complain(
            f"bench: left out, of no data set on the hub: {', '.join(found.left_out)}. "
            "Name one with --dataset OWNER/NAME."
        )
    return found.files
