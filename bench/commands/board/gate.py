"""`bench board gate`: did any score fall against a baseline?"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench.commands.options import board_name, folder_options, points, workspace_of
from harness.doors.terminal import complain, say

NAME = "gate"
HELP = "fail if a score fell against a baseline; exit code 1, and 2 for what cannot be compared"
EXAMPLES = (
    "bench board gate --baseline origin/main",
    "bench board gate --baseline results/last --epsilon 0.5",
)


def options(sub: argparse.ArgumentParser) -> None:
    board_name(sub)
    sub.add_argument(
        "--baseline",
        required=True,
        metavar="FOLDER|REVISION",
        help="a folder with runs/, or a git revision that holds this one's records",
    )
    sub.add_argument(
        "--epsilon",
        type=points,
        default=0.01,
        metavar="POINTS",
        help="let pass a fall by up to this many points of 100 (default: 1)",
    )
    sub.add_argument("--summary", type=Path, default=None, help="write the Markdown here too")
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from harness.files import write_text
    from leaderboards.baseline import baseline_records
    from leaderboards.gate import compare_with, failed, summary

    workspace = workspace_of(args)
    out, records = workspace.out, workspace.records()
    spec = workspace.board_spec(args.name, records)
    findings = compare_with(baseline_records(args.baseline, out), records, spec, args.epsilon)
    text = summary(findings, args.epsilon, args.baseline)
    if args.summary:
        write_text(args.summary, text)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
            file.write(text)
    if not args.quiet:
        say(text)
    closing = failed(findings)
    for found in closing:
        where = f"{found.model} on {found.task}, {found.shots}-shot"
        told = "fell" if found.verdict == "fell" else f"{found.verdict}: {found.reason}"
        complain(f"bench: {where}: {told}.")
    if any(found.verdict == "fell" for found in closing):
        return 1
    return 2 if closing else 0
