"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench.workspace import Recipe, Workspace
from harness.doors.terminal import complain

if TYPE_CHECKING:
    from harness.artifacts.makes import MakesOf


def examples(commands: Sequence[str]) -> dict[str, Any]:
    """What ends a command's help: how it is typed, each line as it stands."""
    lines = "\n".join(f"  {command}" for command in commands)
    return {
        "epilog": f"examples:\n{lines}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def shots(text: str) -> tuple[int, ...]:
    try:
        shots = tuple(int(part) for part in names(text))
    except ValueError:
        shots = (-1,)
    if not shots or min(shots) < 0:
        raise argparse.ArgumentTypeError(f"'{text}': expected numbers of shots such as 0,5")
    return shots


def count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, 0 or more")
    return int(text)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, 1 or more")
    return int(text)


def points(text: str) -> float:
    """Points of 100 as a share."""
    try:
        share = float(text) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}': expected points, 0 to 100")
    return share


def folder_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", type=Path, help="folder of all results (default: bench-out)")
    sub.add_argument("--quiet", action="store_true", help="no progress, no table")


def output_options(sub: argparse.ArgumentParser) -> None:
    folder_options(sub)
    sub.add_argument("--json", action="store_true", help="print JSON")


def board_name(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", nargs="?", default="", help="a declared board (default: all runs)")


def board_format(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--markdown", action="store_true", help="print the board as Markdown")
    sub.add_argument("--explain", action="store_true", help="say what each word of it means")


def data_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", type=Path, help="local mirror of data sets (or BENCH_DATA)")


def trust_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--trust-suite",
        action="store_true",
        help="let suites of bench.toml run the Python code they name",
    )


def task_options(sub: argparse.ArgumentParser) -> None:
    """What is asked; see `scoring.Asking`."""
    sub.add_argument("--tasks", type=names, required=True, help="tasks, groups or suites")
    sub.add_argument("--shots", type=shots, help="numbers of demonstrations (default: 0)")
    sub.add_argument("--draws", type=positive, default=1, help="repeat with other demonstrations")
    sub.add_argument("--limit", type=positive, help="N items of each task only; labels keep shares")
    sub.add_argument("--wordings", type=positive, default=1, help="ask in the first N wordings")
    sub.add_argument(
        "--wording", default="", metavar="NAME", help="ask in this one; best: each model's best"
    )
    sub.add_argument(
        "--wording-items",
        type=positive,
        default=32,
        metavar="N",
        help="training items on which the best wording is chosen (default: 32)",
    )
    sub.add_argument(
        "--no-bits", dest="bits", action="store_false", help="no bits per byte of gold answers"
    )
    sub.add_argument("--chat", choices=["auto", "on", "off"], default="auto")
    data_options(sub)
    trust_options(sub)


def model_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--budget", default="tiny", help="tiny, small or paper (default: tiny)")
    sub.add_argument("--domain", default="", help="domain to specialise in (default: biomed)")
    sub.add_argument(
        "--corpus", type=Path, help="a built corpus, a file or a folder instead of the domain's"
    )
    sub.add_argument(
        "--base",
        default="",
        metavar="MODEL",
        help="what adapters given as a folder or hub name lie over (default: what they name)",
    )
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one parameter of the budget (NAME.KEY=VALUE: of one specializer alone); "
        "may be repeated",
    )
    sub.add_argument(
        "--dtype",
        default="",
        choices=["auto", "fastest", "float32", "bfloat16", "float16"],
        help="numerics of every model (default: the model's own)",
    )


def ways_of(args: argparse.Namespace) -> dict[str, Any]:
    """What `task_options` say of how tasks are asked, as the public functions take it."""
    keys = ("draws", "limit", "chat", "wordings", "wording", "wording_items", "bits")
    return {"shots": args.shots or (), **{key: getattr(args, key) for key in keys}}


def makes_options(sub: argparse.ArgumentParser) -> None:
    """How often a specialised model is made."""
    sub.add_argument(
        "--makes",
        type=positive,
        default=1,
        help="make each specialised model N times with other seeds; a row is their mean",
    )
    sub.add_argument(
        "--makes-of",
        choices=["all", "training"],
        default="all",
        help="what the seeds change: data and training, or training on the same data",
    )


def workspace_of(args: argparse.Namespace) -> Workspace:
    """The workspace that a command's options name."""
    from harness.progress import NullProgress

    return Workspace(
        getattr(args, "out", None),
        data=getattr(args, "data", None),
        trust_suites=getattr(args, "trust_suite", False),
        dtype=getattr(args, "dtype", ""),
        base=getattr(args, "base", ""),
        progress=NullProgress() if getattr(args, "quiet", False) else None,
    )


def recipe_of(args: argparse.Namespace) -> Recipe:
    """What `model_options` say of how models are made."""
    makes, of = getattr(args, "makes", 1), cast("MakesOf", getattr(args, "makes_of", "all"))
    return Recipe(args.budget, args.domain, args.corpus, tuple(args.set), makes, of)


def told_refused(refused: Sequence[str]) -> int:
    """Name the records that were left out on the error stream; the exit code."""
    for line in refused:
        complain(f"bench: left out: {line}")
    return 1 if refused else 0
