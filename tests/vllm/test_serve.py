"""A suite against vLLM's real server on loopback, killed and started again midway.

Run by `make test-vllm`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from harness import cli
from tests.vllm.tiny import write_llama

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

TASKS = ("mini_yesno", "mini_yesno_rank", "mini_sentiment_rank")


class Server:
    """vLLM's server over a folder; the same address each time it is started."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self.starts = 0
        self._command = [
            # What "vllm serve" runs; that command itself looks for a distribution "vllm",
            # which the CPU build is not.
            sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--model={folder}",
            "--served-model-name=tiny", "--host=127.0.0.1", f"--port={port}", "--dtype=float32",
            "--enforce-eager", "--block-size=32", "--kv-cache-memory-bytes=50000000",
            "--max-num-seqs=4", "--logprobs-mode=raw_logprobs",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
        self._process = subprocess.Popen(self._command, env=environment, start_new_session=True)

    def wait(self) -> None:
        """Until it answers; a run refuses to begin with a server that is not there."""
        while True:
            assert self._process is not None
            assert self._process.poll() is None, "the server ended by itself"
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"{self.url}/models", timeout=60).ok:
                    return
            time.sleep(0.2)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def answers(out: Path) -> dict[str, list[dict]]:
    """What is stored for each request; two entries would mean that it was answered twice."""
    found: dict[str, list[dict]] = {}
    for segment in (out / "responses").glob("*/*.jsonl"):
        for line in segment.read_text().splitlines():
            if line:
                for key, response in json.loads(line[9:]):
                    found.setdefault(key, []).append(response)
    return found


def run(out: Path) -> None:
    command = ["run", "--models", "served", "--tasks", ",".join(TASKS), "--limit", "12", "--quiet"]
    assert cli.main([*command, "--out", str(out)]) == 0


def test_a_server_killed_midway_loses_nothing(tmp_path, monkeypatch):
    folder = write_llama(tmp_path / "model", 2048)
    server = Server(folder)
    (tmp_path / "bench.toml").write_text(
        f'[models.served]\nsource = "openai:tiny@{server.url}"\n'
        f'engine_args = {{ tokenizer = "{folder}", concurrency = 2, patience = 600 }}\n'
    )
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    before: list[int] = []

    def disturb() -> None:
        while not (stored := len(answers(out))):
            time.sleep(0.005)
        server.kill()
        before.append(stored)
        server.start()

    server.start()
    try:
        server.wait()
        disturbance = threading.Thread(target=disturb, daemon=True)
        disturbance.start()
        run(out)
        disturbance.join(60)
        disturbed = answers(out)
        assert server.starts == 2
        assert 0 < before[0] < len(disturbed)
        assert {len(responses) for responses in disturbed.values()} == {1}
        for path in out.glob("runs/served/*/record.json"):
            assert json.loads(path.read_text())["summary"]["n_error"] == 0
        assert len(list(out.glob("runs/served/*/record.json"))) == len(TASKS)
        run(tmp_path / "again")
    finally:
        server.kill()
    undisturbed = answers(tmp_path / "again")
    assert set(undisturbed) == set(disturbed)
    for key, (response,) in undisturbed.items():
        (other,) = disturbed[key]
        assert other.get("text") == response.get("text")
        assert other.get("loglikelihood", 0) == pytest.approx(
            response.get("loglikelihood", 0), abs=1e-4
        )
