"""`bench`: parse, call one command, and turn its errors into exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from bench.commands import (
    corpus,
    data,
    doctor,
    explain,
    listing,
    models,
    new,
    plan,
    run,
    show,
    specialize,
    sweep,
    validate,
)
from bench.commands.board import build as board
from bench.commands.options import examples
from bench.workspace import quiet_libraries
from harness.doors.terminal import complain, say
from harness.doors.text import plain
from harness.errors import UserError, did_you_mean, mendable

_COMMANDS: tuple[ModuleType, ...] = (
    run, plan, specialize, sweep, explain, board, listing, validate, show, corpus, data, models,
    doctor, new,
)  # fmt: skip
EXAMPLES = (
    "bench run --models smollm2,selfspec-smollm2 --tasks biomed-mini --limit 12",
    "bench validate --tasks biomed-mini",
)


class _Parser(argparse.ArgumentParser):
    """Tells words that it does not know itself, with its own usage and what was meant; argparse
    leaves those of a command to the program's parser."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            known = [option for option in self._option_string_actions if option != "--help"]
            options = [word.partition("=")[0] for word in unknown if word.startswith("--")]
            meant = "".join(did_you_mean(option, known) for option in options)
            self.error(f"unrecognized arguments: {' '.join(unknown)}.{meant}")
        return found, unknown


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bench",
        description="Does specialising this model make it better at this domain,\n"
        "by how much, and why?",
        **examples(EXAMPLES),
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in _COMMANDS:
        sub = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.HELP,
            **examples(command.EXAMPLES),
        )
        sub.set_defaults(function=command.call)
        command.options(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 2 what the user can mend, 130 an interrupt."""
    parser = _parser()
    args = parser.parse_args(_american(sys.argv[1:] if argv is None else argv))
    if args.version:
        from importlib.metadata import version

        say(f"bench {version('selfspec-bench')}")
        return 0
    if not args.command:
        parser.print_help()
        return 2
    quiet_libraries()
    _silence_warnings()
    try:
        with _no_questions():
            return int(args.function(args))
    except KeyboardInterrupt:
        complain(
            "bench: interrupted. Everything answered so far is kept; "
            "the same command goes on from there."
        )
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away (`bench list | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        out = getattr(args, "out", None)
        message = str(error) if isinstance(error, UserError) else mendable(error, out)
        if message is None:
            raise
        complain(f"bench: {plain(message, lines=True)}")
        return 2


def _american(words: Sequence[str]) -> list[str]:
    """The words with "specialise" and its like as options and commands are spelled; their values,
    which may be names of the user's own, as they are."""
    return [
        re.sub(r"^((?:--)?speciali)s(e|ers?)(?==|$)", r"\1z\2", word)
        if number < 2 or word.startswith("--")
        else word
        for number, word in enumerate(words)
    ]


@contextmanager
def _no_questions() -> Iterator[None]:
    """No command asks; a library that would ("run this code? [y/N]") finds nobody there."""
    asked = sys.stdin
    with open(os.devnull, encoding="utf-8") as nobody:
        sys.stdin = nobody
        try:
            yield
        finally:
            sys.stdin = asked


def _silence_warnings() -> None:
    """A command's terminal is its own: no library warns there, unless Python's -W asks for it.

    Python writes what no logger takes to stderr, and bitsandbytes, peft and torch have none.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        logging.getLogger().addHandler(_NOWHERE)


_NOWHERE = logging.NullHandler()


if __name__ == "__main__":
    sys.exit(main())
