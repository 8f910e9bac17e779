"""Serve a board's folder to this machine's browsers, and nothing else to anybody else."""

from __future__ import annotations

import os
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from leaderboards.pages.files import is_own_script

LOOPBACK = "127.0.0.1"
# As in the pages themselves, and no other page may frame one.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Handler(SimpleHTTPRequestHandler):
    """Files under one folder, read only; no listings, no way out by paths or links."""

    server_version = "bench"
    sys_version = ""

    def translate_path(self, path: str) -> str:
        """The file behind a request, or "" (never found) for one that leaves the folder."""
        try:
            found = Path(super().translate_path(path)).resolve()
            home = Path(self.directory).resolve()
            if found.is_dir():
                found = (found / "index.html").resolve()
        except (OSError, ValueError):  # a name too long for a file, or with a zero byte in it
            return ""
        return str(found) if found.is_relative_to(home) else ""

    def send_head(self) -> Any:
        # A page elsewhere may point a name of its own at this machine; its requests bear that name.
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in (LOOPBACK, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "This server answers to localhost only")
            return None
        # Opened here rather than above: no redirect, no listing, no other file types.
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        if path.endswith((".js", ".mjs")) and not is_own_script(Path(path)):
            self.send_error(HTTPStatus.FORBIDDEN, "A script that no build of a board wrote")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing: the terminal shows the address."""


def open_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of `folder` on the loopback address; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    return ThreadingHTTPServer((LOOPBACK, port), partial(_Handler, directory=str(folder)))
