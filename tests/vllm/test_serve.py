"""A suite against vLLM's real server on loopback: killed midway, and spoilt by a proxy before it.

Run by `make test-vllm`, on a tiny random Llama. The same with a real model:

    SERVE_MODEL=FOLDER SERVE_TASKS=biomed,biomed-rank SERVE_LIMIT=3 BENCH_DATA=...
        .venv-vllm/bin/python -m pytest -m vllm -s tests/vllm/test_serve.py
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bench import cli
from harness.engines.vllm.process import CPU_ENVIRONMENT, ENVIRONMENT
from tests.vllm.faulty_proxy import FaultyProxy
from tests.vllm.tiny import write_llama

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(3600)]

TASKS = os.environ.get("SERVE_TASKS", "mini_yesno,mini_yesno_rank,mini_sentiment_rank")
LIMIT = os.environ.get("SERVE_LIMIT", "12")
# Asked once before anything is spoilt: how a server is asked is found out without a second try.
FIRST = ["--tasks", TASKS, "--limit", "1"]
# Nats; the server batches requests as they come, so two runs agree to float32's rounding.
TOLERANCE = 1e-4


class Server:
    """vLLM's server over a folder; the same address each time it is started."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}/v1"
        self.starts = 0
        self._command = [
            # What "vllm serve" runs; that command itself looks for a distribution "vllm",
            # which the CPU build is not.
            sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--model={folder}",
            "--served-model-name=tiny", "--host=127.0.0.1", f"--port={port}", "--dtype=float32",
            "--enforce-eager", "--block-size=32", "--kv-cache-memory-bytes=500000000",
            "--max-num-seqs=4", "--logprobs-mode=raw_logprobs",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        environment = ENVIRONMENT | CPU_ENVIRONMENT | os.environ
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


class Client:
    """`bench run` in a project of its own, with the server's model registered."""

    def __init__(self, home: Path, folder: Path, url: str, arguments: str) -> None:
        self.out = home / "out"
        home.mkdir()
        self._home = home
        (home / "bench.toml").write_text(
            f'[models.served]\nsource = "openai:tiny@{url}"\n'
            f'engine_args = {{ tokenizer = "{folder}", concurrency = 2, {arguments} }}\n'
        )

    def run(self, *changes: str) -> None:
        tasks = ["--tasks", TASKS, "--limit", LIMIT]
        command = ["run", "--models", "served", *tasks, *changes, "--quiet"]
        with contextlib.chdir(self._home):
            assert cli.main([*command, "--out", str(self.out)]) == 0

    def answers(self) -> dict[str, list[dict]]:
        """What is stored for each request; two entries would mean that it was answered twice."""
        found: dict[str, list[dict]] = {}
        for segment in (self.out / "responses").glob("*/*.jsonl"):
            for line in segment.read_text().splitlines():
                if line:
                    for key, response in json.loads(line[9:])["call"]:
                        found.setdefault(key, []).append(response)
        return found

    def summaries(self) -> dict[str, dict]:
        """By task, what the record of most items says; one of a lower limit stays beside it."""
        found: dict[str, dict] = {}
        for path in self.out.glob("runs/served/*/record.json"):
            name, _, _ = path.parent.name.partition("~")
            summary = json.loads(path.read_text())["summary"]
            if name not in found or summary["n"] > found[name]["n"]:
                found[name] = summary
        return found


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What was found out about another test's server at the same port must not be believed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("BENCH_OUT", raising=False)
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    given = os.environ.get("SERVE_MODEL")
    folder = Path(given) if given else write_llama(tmp_path_factory.mktemp("model"), 2048)
    server = Server(folder)
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Client:
    client = Client(
        tmp_path_factory.mktemp("plain") / "home", server.folder, server.url, "tries = 6"
    )
    client.run()
    return client


def check_same(client: Client, undisturbed: Client) -> None:
    """Nothing lost, nothing stored twice, and the undisturbed run's answers."""
    found, expected = client.answers(), undisturbed.answers()
    assert {len(responses) for responses in found.values()} == {1}
    assert set(found) == set(expected)
    worst, texts = 0.0, 0
    for key, (response,) in expected.items():
        (other,) = found[key]
        texts += other.get("text") != response.get("text")
        worst = max(
            worst, abs(other.get("loglikelihood", 0.0) - response.get("loglikelihood", 0.0))
        )
    print(f"{len(found)} answers, {texts} texts differ, scores by {worst:.1e}")
    assert worst < TOLERANCE
    assert texts == 0
    records, plain = client.summaries(), undisturbed.summaries()
    assert set(records) == set(plain)
    assert all(summary["n_error"] == 0 for summary in records.values())
    assert {t: s["n_scored"] for t, s in records.items()} == {
        t: s["n_scored"] for t, s in plain.items()
    }


def test_429s_stalls_and_cut_answers_lose_nothing(server, undisturbed, tmp_path):
    proxy = FaultyProxy(server.url)
    # A request that stalls is one that takes longer than `timeout`, as on a busy machine any may.
    client = Client(tmp_path / "home", server.folder, proxy.url, "timeout = 20, tries = 20")
    try:
        client.run(*FIRST)
        assert not proxy.spoilt
        draw = random.Random(1)
        kinds = itertools.cycle(["429", "cut", "500", "429"])
        proxy.moods = [next(kinds) if draw.random() < 0.4 else "" for _ in range(200)]
        proxy.moods[1:1] = ["stall"]
        proxy.moods[12:12] = ["stall", "429", "429"]
        client.run()
    finally:
        proxy.close()
    print(f"spoilt: {dict(proxy.spoilt)}; delivered whole: {proxy.delivered.total()}")
    assert {"429", "500", "cut", "stall"} <= set(proxy.spoilt)
    # Trials of what the server takes, of a few tokens, are asked in either run; items' are longer.
    again = [body for body, count in proxy.delivered.items() if count > 1]
    assert not [body for body in again if len(json.loads(body)["prompt"]) > 8]
    check_same(client, undisturbed)


def test_a_server_killed_midway_loses_nothing(server, undisturbed, tmp_path):
    client = Client(tmp_path / "home", server.folder, server.url, "patience = 3000")
    stored: list[int] = []
    wanted = len(undisturbed.answers()) // 3

    def disturb() -> None:
        while len(client.answers()) < wanted:
            time.sleep(0.005)
        server.kill()
        stored.append(len(client.answers()))
        server.start()

    starts = server.starts
    disturbance = threading.Thread(target=disturb, daemon=True)
    disturbance.start()
    client.run()
    disturbance.join(60)
    print(f"killed at {stored[0]} of {len(client.answers())} answers")
    assert server.starts == starts + 1
    assert wanted <= stored[0] < len(client.answers())
    check_same(client, undisturbed)
