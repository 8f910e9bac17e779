"""A run over two nodes, one of them killed on the way, leaves what a local run leaves."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import cli
from harness.commands.run import record
from harness.executors import ray_actors
from harness.store import _parse
from tests.specializers.tiny import save_model

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1800)]

# Two bases; adapters over both; a model that only rewrites prompts.
MODELS = "tiny,seedsft-tiny,dapt-tiny,rag-tiny,other,seedsft-other"
RUN = [
    *("run", "--models", MODELS, "--tasks", "mini_yesno,mini_sentiment_rank"),
    *("--shots", "0,1", "--limit", "2"),
]
JOBS = 6 * 2 * 2


def run(out: Path, *options: str) -> None:
    """`bench run` without its board, which needs no cluster."""
    record(cli._parser().parse_args([*RUN, "--out", str(out), *options]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny models and the bench.toml that names them."""
    root = tmp_path_factory.mktemp("project")
    for name, architecture in (("tiny", "llama"), ("other", "falcon")):
        save_model(root / name, architecture)
    (root / "bench.toml").write_text(
        '[models.tiny]\nsource = "path:tiny"\n'
        '[models.other]\nsource = "path:other"\nresources = { CPU = 1 }\n'
    )
    return root


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread everywhere, since rounding depends on it; a password; short socket paths."""
    folder = tempfile.mkdtemp(prefix="ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        # Workers import this file, for `Elsewhere`.
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", folder)
        # A busy machine must not fail a test. (The 30 seconds a node has to start are fixed.)
        patch.setenv("RAY_health_check_timeout_ms", "60000")
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def local(project: Path, environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run in this process, with as many threads as an actor has."""
    import torch

    out = tmp_path_factory.mktemp("local") / "out"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        run(out, "--quiet")
    torch.set_num_threads(threads)
    return out


def made(out: Path) -> dict[str, bytes]:
    """Everything that must not depend on where it was made."""
    patterns = (
        "runs/*/*/record.json",
        "runs/*/*/items.jsonl",
        "artifacts/*/manifest.json",
        "artifacts/*/data.jsonl",
        "artifacts/*/adapter/*.safetensors",
    )
    return {
        str(path.relative_to(out)): path.read_bytes()
        for pattern in patterns
        for path in out.glob(pattern)
    }


def answers(out: Path) -> list[str]:
    """The keys of all stored answers; one twice would mean that it was made twice."""
    return sorted(
        f"{segment.parent.name} {key}"
        for segment in (out / "responses").glob("*/*.jsonl")
        for line in segment.read_bytes().splitlines(keepends=True)
        for key, _ in _parse(line) or ()  # a line torn by the kill counts as none
    )


def when_under_way(out: Path, act: Callable[[], object]) -> threading.Thread:
    """Do something once a few records are there, and not all."""

    def wait() -> None:
        while len(list(out.glob("runs/*/*/record.json"))) < 3:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


class Elsewhere(ray_actors.LaneActor):
    """An actor on a machine that does not see the driver's disk."""

    def __init__(self, open_worker, out, token, storage, desk):
        super().__init__(open_worker, Path("/nowhere"), token, storage, desk)


@pytest.mark.parametrize("sees", [True, False], ids=["shared disk", "through the driver"])
def test_two_nodes_one_killed(project, local, tmp_path, monkeypatch, capfd, sees):
    from ray.cluster_utils import Cluster

    monkeypatch.chdir(project)
    if not sees:
        monkeypatch.setattr("harness.executors.ray.LaneActor", Elsewhere)
    out = tmp_path / "out"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        second = cluster.add_node(num_cpus=1)
        killed = when_under_way(out, lambda: cluster.remove_node(second, allow_graceful=False))
        run(out, "--executor", "ray", "--address", cluster.address)
        killed.join()
    finally:
        cluster.shutdown()
    assert len(list(out.glob("runs/*/*/record.json"))) == JOBS
    assert made(out) == made(local)
    assert answers(out) == answers(local)
    told = capfd.readouterr().err
    assert "a worker was lost; its jobs go to another" in told
    assert f"/{JOBS}] tiny mini_yesno@0: " in told


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_node(*options: str) -> subprocess.Popen[bytes]:
    ray = Path(sys.executable).with_name("ray")
    return subprocess.Popen(
        [ray, "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1",
         "--object-store-memory=100000000", *options],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_two_ray_processes_and_a_bucket(project, local, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    out, bucket = tmp_path / "out", tmp_path / "bucket"
    address = f"127.0.0.1:{free_port()}"
    head = start_node("--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false")
    nodes = [head]
    try:
        wait_for(address)
        nodes.append(start_node(f"--address={address}"))
        killed = when_under_way(bucket, lambda: end(nodes[1]))
        run(out, "--quiet", "--executor", "ray", "--address", address,
            "--storage", f"file://{bucket}")  # fmt: skip
        killed.join()
    finally:
        for node in reversed(nodes):
            end(node)
    assert made(out) == made(local)
    assert answers(out) == answers(local)


def wait_for(address: str) -> None:
    host, _, port = address.rpartition(":")
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(address)


def test_mistakes_are_told(project, environment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(project)
    out = ["--out", str(tmp_path / "out")]
    assert cli.main([*RUN, *out, "--address", "auto"]) == 2
    assert "--executor ray" in capsys.readouterr().err
    text = (project / "bench.toml").read_text()
    (tmp_path / "bench.toml").write_text(
        text.replace("path:", f"path:{project}/").replace("CPU = 1", "GPU = 4, CPU = 1")
    )
    monkeypatch.chdir(tmp_path)
    assert cli.main([*RUN, *out, "--executor", "ray"]) == 2
    told = capsys.readouterr().err
    assert "model 'other' needs CPU 1, GPU 4" in told
    assert "models.NAME.resources" in told
