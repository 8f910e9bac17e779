"""A loopback proxy in front of a real server that spoils some of the answers.

What is spoilt is decided by `moods`, one taken a request: "" passes it on,
"429" sends it back, "500" fails, "stall" never answers, "cut" has the server answer and delivers
half of that. It counts which answers were delivered whole, by the request's
exact words.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class FaultyProxy:
    """Passes on what comes to its own address to the server at `upstream` (up to and with /v1)."""

    def __init__(self, upstream: str) -> None:
        self.moods: list[str] = []
        self.spoilt: Counter[str] = Counter()
        self.delivered: Counter[bytes] = Counter()
        self._upstream = upstream.removesuffix("/v1")
        self._lock = threading.Lock()
        self._closed = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                outer._pass(self, b"", "")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer._lock:
                    mood = outer.moods.pop(0) if outer.moods else ""
                    if mood:
                        outer.spoilt[mood] += 1
                # A client that gave up has closed its end.
                with contextlib.suppress(ConnectionError):
                    outer._pass(self, body, mood)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, handler: BaseHTTPRequestHandler, body: bytes, mood: str) -> None:
        if mood == "429":
            _send(handler, 429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0.2"})
            return
        if mood == "500":
            _send(handler, 500, b'{"error": {"message": "out of order"}}')
            return
        if mood == "stall":
            self._closed.wait()
            return
        headers = {"Content-Type": "application/json"}
        reply = requests.request(
            handler.command, self._upstream + handler.path, data=body or None, headers=headers
        )
        if mood == "cut":
            _send(handler, reply.status_code, reply.content[: len(reply.content) // 2], whole=False)
            return
        if body and reply.ok:
            with self._lock:
                self.delivered[body] += 1
        _send(handler, reply.status_code, reply.content)


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    content: bytes,
    headers: dict[str, str] | None = None,
    whole: bool = True,
) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content) if whole else 2 * len(content) + 1))
    handler.end_headers()
    handler.wfile.write(content)
