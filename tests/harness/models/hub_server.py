"""A hub of models on this machine: folders under the addresses that the hub's client asks."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_FACTS = re.compile(r"/api/models/(?P<name>[\w.-]+/[\w.-]+)/revision/(?P<revision>[^/]+)")
_TREE = re.compile(r"/api/models/(?P<name>[\w.-]+/[\w.-]+)/tree/(?P<revision>[^/?]+)\?.*")
_FILE = re.compile(r"/(?P<name>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


def commit_of(folder: Path) -> str:
    """40 hex digits for what a folder holds now."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return sha1(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


@contextmanager
def served(repositories: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Serve `owner/name` -> folder; the address, and what was asked so far ("GET /path").

    A repository has the revisions `main` and `commit_of` its folder.
    """
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, *_: object) -> None: ...

        def _answer(self, *, with_body: bool) -> None:
            asked.append(f"{self.command} {self.path}")
            kinds = (_FACTS, _TREE, _FILE)
            found = next((m for kind in kinds if (m := kind.fullmatch(self.path))), None)
            folder = repositories.get(found["name"]) if found else None
            if not found or folder is None:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)
                return
            commit = commit_of(folder)
            if found["revision"] not in ("main", commit):
                self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
            elif found.re is _FACTS:
                names = [{"rfilename": path.name} for path in sorted(folder.iterdir())]
                facts = {"id": found["name"], "sha": commit, "siblings": names}
                self._send(200, json.dumps(facts).encode(), {}, with_body)
            elif found.re is _TREE:
                tree = [
                    {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": ""}
                    for path in sorted(folder.iterdir())
                ]
                self._send(200, json.dumps(tree).encode(), {}, with_body)
            elif (path := folder / found["file"]).is_file():
                content = path.read_bytes()
                etag = f'"{sha256(content).hexdigest()}"'
                self._send(200, content, {"ETag": etag, "X-Repo-Commit": commit}, with_body)
            else:
                missing = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
                self._send(404, b"", missing, with_body)

        def _send(
            self, status: int, body: bytes, headers: Mapping[str, str], with_body: bool
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
