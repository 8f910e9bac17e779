"""`bench board serve`: a board's pages at an address of this machine."""

from __future__ import annotations

import argparse

from bench.commands.options import board_name, count, folder_options, workspace_of
from harness.doors.terminal import complain, say
from harness.errors import UserError

NAME = "serve"
HELP = "show the pages at an address that only this machine reaches"
EXAMPLES = (
    "bench board serve",
    "bench board serve --port 8000 --out results",
)


def options(sub: argparse.ArgumentParser) -> None:
    board_name(sub)
    sub.add_argument("--port", type=count, default=0, help="default: any that is free")
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    from leaderboards.folder import board_folder, newer_records
    from leaderboards.pages.serve import LOOPBACK, open_server

    out = workspace_of(args).out
    folder = board_folder(out, args.name)
    if not (folder / "index.html").is_file():
        command = f"bench board build {args.name}" if args.name else "bench board"
        raise UserError(f"{folder}: no pages. Write them with: {command} --out {out}")
    if count_newer := newer_records(out, folder):
        complain(
            f"bench: {count_newer} records are newer than these pages, or gone. Write them anew: "
            f"bench board build {args.name}".rstrip()
        )
    try:
        server = open_server(folder, args.port)
    except OSError as error:
        raise UserError(
            f"--port {args.port}: {error.strerror}. Name another, or leave it out."
        ) from error
    with server:
        say(f"http://{LOOPBACK}:{server.server_port}/  (Ctrl+C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say()
    return 0
