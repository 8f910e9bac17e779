"""A small OpenAI-compatible server that misbehaves on request.

Its model: the value of token b after token a is a fixed function of both, and
what it writes is the prompt's last word in capitals. `moods` are taken one a
request: "429", "500", "cut", "stall", "garbage", or "" for an answer.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def value(past: int, token: int) -> float:
    """log p(token | past), made up."""
    return -0.05 - (past * 31 + token * 17) % 97 / 20


class FakeServer:
    """Serves model "tiny" on loopback.

    ids: takes token ids. echo: "exact", "none", "shifted" (each entry scores the next token)
    or "missing" (entries only for what is written, as llama.cpp's). chat, completions: endpoints.
    """

    def __init__(self, *, ids=True, echo="exact", chat=True, completions=True, key="", port=0):
        self.ids, self.echo, self.chat, self.completions = ids, echo, chat, completions
        self.key = key
        self.moods: list[str] = []
        self.bodies: list[dict] = []
        self.answered: list[dict] = []
        self.most_at_once = self._now = 0
        self.delay = 0.0
        self.stall = 5.0
        self._lock = threading.Lock()
        self.port = port
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                outer._get(self)

            def do_POST(self):
                outer._post(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _get(self, handler) -> None:
        self._send(handler, 200, {"data": [{"id": "tiny", "max_model_len": 200}]})

    def _post(self, handler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.bodies.append(body)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            mood = self.moods.pop(0) if self.moods else ""
        try:
            time.sleep(self.delay)
            self._answer(handler, body, mood)
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, handler, body: dict, mood: str) -> None:
        given = handler.headers.get("Authorization", "")
        if self.key and given != f"Bearer {self.key}":
            self._send(handler, 401, {"error": {"message": f"bad key {given}"}})
        elif mood == "429":
            self._send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.2"})
        elif mood == "500":
            self._send(handler, 500, {"error": {"message": "oh"}})
        elif mood == "400":
            self._send(handler, 400, {"error": {"message": f"never with {given}"}})
        elif mood == "garbage":
            self._send(handler, 200, ["not", "an", "answer"])
        elif mood == "stall":
            time.sleep(self.stall)
            handler.close_connection = True
        elif mood == "cut":
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b'{"choices": [')
            handler.close_connection = True
        else:
            self._do(handler, body)

    def _do(self, handler, body: dict) -> None:
        if handler.path == "/v1/chat/completions" and self.chat:
            text = body["messages"][-1]["content"]
            choice = {"message": {"role": "assistant", "content": self._write(text)}}
        elif handler.path == "/v1/completions" and self.completions:
            prompt = body["prompt"]
            if isinstance(prompt, list) and not self.ids:
                self._send(handler, 400, {"error": {"message": "prompt must be a string"}})
                return
            choice = self._complete(prompt, body)
        else:
            self._send(handler, 404, {"detail": "Not Found"})
            return
        with self._lock:
            self.answered.append(body)
        usage = {"prompt_tokens": 7, "completion_tokens": 1}
        choice |= {"finish_reason": "stop"}
        self._send(handler, 200, {"choices": [choice], "usage": usage})

    def _write(self, text: str) -> str:
        return (text.split() or [""])[-1].upper() + "###rest"

    def _complete(self, prompt, body: dict) -> dict:
        if not body.get("echo"):
            text = prompt if isinstance(prompt, str) else f"ids {sum(prompt)}"
            return {"text": self._write(text)}
        if self.echo == "none":
            return {"text": "x", "logprobs": None}
        starts = None
        if isinstance(prompt, str):
            # A token is a word with the space before it.
            starts = [i for i, c in enumerate(prompt) if i == 0 or c == " "]
            words = [prompt[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
            prompt = [sum(map(ord, word)) for word in words]
            starts.append(len(body["prompt"]))
        tokens = [*prompt, 5]
        values = [None, *(value(a, b) for a, b in itertools.pairwise(tokens))]
        if self.echo == "shifted":
            values = [None, *values[2:], -1.0]
        if self.echo == "missing":
            values = values[-1:]
        tops = [None if v is None else {"top": max(v, -1.0)} for v in values]
        found = {"token_logprobs": values, "top_logprobs": tops}
        if starts:
            found["text_offset"] = starts
        return {"text": "x", "logprobs": found}

    def _send(self, handler, status: int, content, headers=None) -> None:
        data = json.dumps(content).encode()
        handler.send_response(status)
        for name, text in (headers or {}).items():
            handler.send_header(name, text)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
