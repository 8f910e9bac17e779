"""`bench new`: the files of a suite, specializer, domain or board, sound from the start."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from bench.commands.options import examples
from bench.plugins import domain_folders, open_registry
from harness.checks import name_fault
from harness.doors.files import parse_toml
from harness.doors.terminal import say
from harness.errors import UserError
from harness.files import write_text

if TYPE_CHECKING:
    from harness.registry import Registry

NAME = "new"
HELP = "write the files of a new suite, specializer, domain or board"
EXAMPLES = (
    "bench new suite cardiology --from rows.csv",
    "bench new suite cardiology --task murmurs --from more.xlsx",
)
EXAMPLES_OF = {
    "suite": EXAMPLES,
    "specializer": ("bench new specializer mine", "bench new specializer shorter"),
    "domain": ("bench new domain cardiology", "bench new domain tax-law"),
    "board": (
        "bench new board cardiology",
        "bench new board mine --suite biomed-mini",
    ),
}
SHAPES = ("classification", "ner", "relation", "qa", "list", "long", "multilabel")


def options(sub: argparse.ArgumentParser) -> None:
    parts = sub.add_subparsers(dest="part", metavar="KIND", required=True)
    helps = {
        "suite": "a task, its card and its rows, in suites/NAME/",
        "specializer": "a Python module, NAME.py",
        "domain": "seeds to replace, in domains/NAME/",
        "board": "which models and tasks to show, boards/NAME.toml",
    }
    for kind, what in helps.items():
        part = parts.add_parser(kind, help=what, **examples(EXAMPLES_OF[kind]))
        part.add_argument("name")
    suite, board = parts.choices["suite"], parts.choices["board"]
    suite.add_argument(
        "--task",
        default="",
        help="of this name (default: the suite's); adds it to a suite of yours",
    )
    suite.add_argument(
        "--like",
        choices=SHAPES,
        help="what its answers are like (with --from: what they look like)",
    )
    suite.add_argument(
        "--from", dest="source", type=Path, metavar="ROWS",
        help="rows of yours: .csv, .tsv, .jsonl, .json, .parquet or .xlsx",
    )  # fmt: skip
    for role, what in (
        ("input", "the question (several, separated by commas, stand one below the other)"),
        ("target", "the answer"),
        ("id", "the row's name (none: rows are numbered)"),
        ("document", "the text that the row was cut from (none: each its own)"),
        ("split", "the part it belongs to: train, test, validation (none: parted here)"),
        ("choices", "what can be chosen, where the answer is a place in it (none: it is not)"),
    ):
        suite.add_argument(
            f"--{role}", default="", metavar="COLUMN",
            help=f"the column of {what}; found by common names",
        )  # fmt: skip
    suite.add_argument(
        "--labels", default="", metavar="VALUE=WORD,...", help="words for labels: 0=no,1=yes"
    )
    suite.add_argument("--encoding", default="", help="of the file (default: found out)")
    suite.add_argument("--sheet", default="", help="of a workbook (default: the first with rows)")
    board.add_argument("--suite", default="", help="whose records it shows (default: NAME's)")


def call(args: argparse.Namespace) -> int:
    from bench.config import load_config

    config = load_config()
    registry = open_registry(config)
    kind, name = f"{args.part}s", args.name
    taken = domain_folders(config) if kind == "domains" else registry.names(kind)
    if fault := name_fault(kind, name):
        raise UserError(f"{fault}. Choose another.")
    adds = kind == "suites" and name in config.suites and args.task
    if name in taken and not adds:
        more = ""
        if kind == "suites" and name in config.suites:
            more = f" To add a task to it, name the task: bench new suite {name} --task TASK."
        raise UserError(f"{args.part} '{name}' is there already. Choose another name.{more}")
    files, target, edit = _FILES[args.part](args, registry)
    if there := [path for path in files if path.exists()]:
        raise UserError(
            f"{', '.join(map(str, there))}: there already; nothing was written. Remove it, or "
            "choose another name."
        )
    if not adds:
        toml = Path("bench.toml")
        files = {**files, toml: _registered(toml, kind, name, target)}
    for path, text in files.items():
        write_text(path, text)
    for path in files:
        say(f"wrote {path}")
    say("Edit these:\n" + "\n".join(f"  {line}" for line in edit))
    if kind == "suites":
        from harness.suites.index import SuiteIndex

        # A task of the suite's own name stands for itself alone: all are named.
        tasks = SuiteIndex({name: Path(target)}).task_names
        say(f"Then: bench validate --tasks {','.join(tasks)}")
    return 0


Made = tuple[dict[Path, str], str, list[str]]  # files, what bench.toml names, what to edit


def _suite(args: argparse.Namespace, registry: Registry) -> Made:
    from harness.suites.index import SuiteIndex
    from tasks.own.columns import NAMES
    from tasks.own.rows import Reading
    from tasks.scaffold import suite_files

    if not args.like and args.source is None:
        raise UserError(
            f"--like is missing: what answers are like ({', '.join(SHAPES)}). Only --from FILE "
            "lets it be seen."
        )
    name = (args.task or args.name).replace("-", "_").replace(".", "_")
    if fault := name_fault("tasks", name):
        raise UserError(f"--task: {fault}. Choose another.")
    index = SuiteIndex(registry.suites())
    if name in [*index.task_names, *index.group_names]:
        raise UserError(f"task '{name}' is there already. Choose another name.")
    known = registry.suites().get(args.name)
    folder = Path(os.path.relpath(known)) if known else Path("suites") / args.name
    columns = {role: getattr(args, role) for role in NAMES}
    how = Reading(columns, args.labels, args.encoding, args.sheet)
    made, told = suite_files(name, args.like or "", args.source, how)
    files = {folder / file: text for file, text in made.items()}
    for line in told:
        say(f"{args.source}: {line}")
    return files, folder.as_posix(), [
        _line(folder / f"{name}.yaml", files, "description", after=1),
        _line(folder / f"{name}.card.toml", files, "task"),
        _line(folder / f"{name}.card.toml", files, "licence"),
    ]  # fmt: skip


def _specializer(args: argparse.Namespace, _: Registry) -> Made:
    from specializers.scaffolds import specializer_file

    module = re.sub(r"\W", "_", args.name)
    if not module.isidentifier():
        raise UserError(f"'{args.name}': a Python module cannot have that name. Choose another.")
    path = Path(f"{module}.py")
    files = {path: specializer_file(args.name)}
    edits = [_line(path, files, "summary"), _line(path, files, "texts")]
    return files, f"{module}:New", edits


def _domain(args: argparse.Namespace, _: Registry) -> Made:
    from specializers.scaffolds import domain_files

    folder = Path("domains") / args.name
    files = {folder / file: text for file, text in domain_files(args.name).items()}
    config = folder / "domain.toml"
    edits = [_line(config, files, key) for key in ("description", "topics")]
    return files, folder.as_posix(), edits


def _board(args: argparse.Namespace, registry: Registry) -> Made:
    suites = registry.suites()
    suite = args.suite or (args.name if args.name in suites else "biomed_mini")
    if suite not in suites:
        suite = suite.replace("-", "_")
    if suite not in suites:
        raise UserError(f"unknown suite '{args.suite}'. It is one of: {', '.join(suites)}.")
    path = Path("boards") / f"{args.name}.toml"
    text = f'# docs/boards.md explains every key.\ntitle = "{args.name}"\nsuite = "{suite}"\n'
    files = {path: text}
    return files, path.as_posix(), [_line(path, files, key) for key in ("title", "suite")]


_FILES = {"suite": _suite, "specializer": _specializer, "domain": _domain, "board": _board}


def _line(path: Path, files: dict[Path, str], key: str, after: int = 0) -> str:
    """Where a key stands in a new file, as path:line: text."""
    lines = files[path].splitlines()
    place = next(n for n, line in enumerate(lines) if re.match(rf"\s*{key}\b\s*[:=]", line)) + after
    return f"{path}:{place + 1}: {shorten(lines[place].strip(), 60, placeholder=' …')}"


def _registered(path: Path, kind: str, name: str, target: str) -> str:
    """bench.toml with one more entry; what stands there is kept as it is."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    entry = f'"{name}" = "{target}"\n'
    head = re.search(rf"^\[{kind}\][^\n]*\n?", text, re.M)
    if head:
        before = text[: head.end()] if head[0].endswith("\n") else text + "\n"
        text = before + entry + text[head.end() :]
    else:
        text = f"{text.rstrip()}\n\n[{kind}]\n{entry}".lstrip()
    try:
        found = parse_toml(text).get(kind, {}).get(name)
    except ValueError:
        found = None
    if found != target:
        raise UserError(f"{path}: add {entry.strip()} under [{kind}] yourself; found no place.")
    return text
