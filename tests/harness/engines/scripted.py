"""A server on loopback whose habit is a function: what it answers to each request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a habit gives: status, body (JSON or bytes), headers.
Given = tuple[int, Any, dict[str, str]]
Habit = Callable[[dict[str, Any], int], Given]


def said(text: Any, finish: Any = "stop", usage: Any = None, **message: Any) -> Given:
    """An ordinary chat answer."""
    choice = {"index": 0, "finish_reason": finish,
              "message": {"role": "assistant", "content": text, **message}}  # fmt: skip
    return 200, {"choices": [choice], **({"usage": usage} if usage is not None else {})}, {}


def fault(status: int, message: str, headers: dict[str, str] | None = None, **fields: Any) -> Given:
    """OpenAI's form of an error."""
    return status, {"error": {"message": message, **fields}}, headers or {}


class ScriptedServer:
    """Answers chat requests by a habit, given the body and the number of the request (from 0).

    bodies: chat requests received, in order. listed: what it says of its model in its list.
    """

    def __init__(self, habit: Habit) -> None:
        self.habit = habit
        self.bodies: list[dict[str, Any]] = []
        self.listed: dict[str, Any] = {"id": "m"}
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._send(200, {"data": [outer.listed]}, {})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not self.path.endswith("chat/completions"):
                    return self._send(404, {"detail": "Not Found"}, {})
                with outer._lock:
                    number = len(outer.bodies)
                    outer.bodies.append(body)
                return self._send(*outer.habit(body, number))

            def _send(self, status: int, content: Any, headers: dict[str, str]) -> None:
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                given = {"Content-Type": "application/json"} | headers
                for name, value in given.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def asked(self) -> list[str]:
        """What tasks asked, not what the server was asked about itself."""
        texts = [body["messages"][-1]["content"] for body in self.bodies]
        return [text for text in texts if text.startswith("item")]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
