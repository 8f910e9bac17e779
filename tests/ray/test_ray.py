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
from typing import Any

import pytest

import bench
from bench import cli
from bench.commands.options import recipe_of, workspace_of
from harness.executors import ray_actors
from harness.executors.ray import MOST_LOSSES
from harness.store import ResponseStore, _parse
from tests.test_large_models import write_model

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1800)]

# The comparison of all specializers over one base; and a second base.
MODELS = "tiny,generic-tiny,seedsft-tiny,dapt-tiny,rag-tiny,selfspec-tiny,other"
WRITTEN = ("examples=6", "max_calls=8", "calls_per_round=8", "tasks_per_call=2",
           "instruction_tokens=24", "response_tokens=8")  # fmt: skip
# Without replay: models that are made at once on two nodes would ask their base the same
# general questions, each for itself.
TRAINED = ("epochs=1", "batch=8", "checkpoint_steps=4", "replay=0")
SETTINGS = {
    "generic": (*WRITTEN, *TRAINED),
    "selfspec": (*WRITTEN, *TRAINED),
    "seedsft": TRAINED,
    "dapt": TRAINED,
}
RUN = [
    *("run", "--models", MODELS, "--tasks", "mini_yesno,mini_sentiment_rank", "--limit", "2"),
    *(f"--set={name}.{value}" for name, values in SETTINGS.items() for value in values),
]
JOBS = 7 * 2
# On the node to be killed: the folder of the records, and a file that tells that it may be.
STOP = "TEST_RAY_STOP"
# The least records there when a node is killed.
SOME = 3


def run(out: Path, *options: str) -> None:
    """`bench run` without its board, which needs no cluster."""
    args = cli._parser().parse_args([*RUN, "--out", str(out), *options])
    bench.run(
        args.models,
        args.tasks,
        limit=args.limit,
        recipe=recipe_of(args),
        executor=args.executor,
        address=args.address,
        storage=args.storage,
        workspace=workspace_of(args),
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tiny models and the bench.toml that names them."""
    root = tmp_path_factory.mktemp("project")
    for name, architecture in (("tiny", "llama"), ("other", "falcon")):
        write_model(root / name, architecture)
    (root / "bench.toml").write_text(
        '[models.tiny]\nsource = "path:tiny"\n'
        '[models.other]\nsource = "path:other"\nresources = { CPU = 1 }\n'
    )
    return root


def patiently(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """A node that starts is waited for: Ray's own 30 seconds are fixed, and too few beside
    other work."""

    def get(*args: Any) -> Any:
        for _ in range(1000):
            try:
                return get_node(*args)
            except RuntimeError:
                time.sleep(0.3)
        return get_node(*args)

    return get


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
        # Ray gives its workers the lowest priority: beside other work they would hardly move.
        patch.setenv("RAY_worker_niceness", "0")
        # A busy machine must not fail a test.
        patch.setenv("RAY_health_check_timeout_ms", "60000")
        from ray._private import services  # reads the password of the environment

        patch.setattr("ray._private.services.get_node", patiently(services.get_node))
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
        for key, _ in (_parse(line) or ("", ()))[1]  # a line torn by the kill counts as none
    )


def count_records(folder: Path) -> int:
    return len(list(folder.glob("runs/*/*/record.json")))


class Doomed(ray_actors.LaneActor):
    """An actor that stops in the middle of a job, an answer stored, for its node to be killed."""

    def record(self, job, label, with_it):
        if STOP in os.environ:
            records, mark = map(Path, os.environ[STOP].split(os.pathsep))
            put = ResponseStore.put

            def put_and_stop(*args):
                put(*args)
                if count_records(records) >= SOME:
                    mark.touch()
                    time.sleep(3600)

            ResponseStore.put = put_and_stop
        return super().record(job, label, with_it)


class Elsewhere(Doomed):
    """An actor on a machine that does not see the driver's disk."""

    def __init__(self, open_worker, out, token, storage, desk):
        super().__init__(open_worker, Path("/nowhere"), token, storage, desk)


class Kill:
    """Kills a node when one of its actors has stopped; keeps how many records were there."""

    def __init__(self, records: Path, mark: Path, kill: Callable[[], object]) -> None:
        self._records, self._mark, self._kill = records, mark, kill
        self.at = 0
        self.done = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        while not self._mark.exists():
            time.sleep(0.02)
        self.at = count_records(self._records)
        self._kill()
        self.done.set()


def check(out: Path, local: Path, killed: Kill, told: str) -> None:
    """All is as the local run made it, a node was lost on the way, and the user was told."""
    assert killed.done.wait(timeout=60)
    assert SOME <= killed.at < JOBS
    assert count_records(out) == JOBS
    assert made(out) == made(local)
    assert answers(out) == answers(local)
    assert "a worker was lost; its jobs go to another" in told
    for number, model in enumerate(MODELS.split(",")):
        assert f"[{2 * number + 1}/{JOBS}] {model} mini_yesno@0: " in told
    assert "selfspec-tiny: specialising on domain 'biomed'" in told
    assert f"jobs: {JOBS} jobs in" in told


@pytest.mark.parametrize("sees", [True, False], ids=["shared disk", "through the driver"])
def test_two_nodes_one_killed(project, local, tmp_path, monkeypatch, capfd, sees):
    from ray.cluster_utils import Cluster

    monkeypatch.chdir(project)
    monkeypatch.setattr("harness.executors.ray.LaneActor", Doomed if sees else Elsewhere)
    out, mark = tmp_path / "out", tmp_path / "mark"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        second = cluster.add_node(num_cpus=1, env_vars={STOP: f"{out}{os.pathsep}{mark}"})
        killed = Kill(out, mark, lambda: cluster.remove_node(second, allow_graceful=False))
        run(out, "--executor", "ray", "--address", cluster.address)
    finally:
        cluster.shutdown()
    check(out, local, killed, capfd.readouterr().err)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_node(*options: str, **environment: str) -> subprocess.Popen[str]:
    """`ray start`, up; once more if it gave up after its 30 seconds."""
    ray = Path(sys.executable).with_name("ray")
    for _ in range(5):
        process = subprocess.Popen(
            [ray, "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1",
             "--object-store-memory=100000000", *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env=os.environ | environment,
        )  # fmt: skip
        assert process.stdout is not None
        if any("Ray runtime started" in line for line in process.stdout):
            return process
        end(process)
    raise TimeoutError(f"ray start {options}")


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_two_ray_processes_and_a_bucket(project, local, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(project)
    monkeypatch.setattr("harness.executors.ray.LaneActor", Doomed)
    out, bucket, mark = tmp_path / "out", tmp_path / "bucket", tmp_path / "mark"
    port = free_port()
    address = f"127.0.0.1:{port}"
    nodes = [start_node("--head", f"--port={port}", "--include-dashboard=false")]
    try:
        nodes.append(start_node(f"--address={address}", **{STOP: f"{bucket}{os.pathsep}{mark}"}))
        killed = Kill(bucket, mark, lambda: end(nodes[1]))
        run(out, "--executor", "ray", "--address", address, "--storage", f"file://{bucket}")
    finally:
        for node in reversed(nodes):
            end(node)
    check(out, local, killed, capfd.readouterr().err)


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


class Dying(ray_actors.LaneActor):
    """An actor whose process ends at its first part, as when memory runs out."""

    def specialise(self, model):
        os._exit(1)

    def record(self, job, label, with_it):
        os._exit(1)


def test_jobs_that_end_every_worker_end_the_run(
    project, environment, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(project)
    monkeypatch.setattr("harness.executors.ray.LaneActor", Dying)
    run = ["run", "--models", "tiny", "--tasks", "mini_yesno", "--limit", "2"]
    assert cli.main([*run, "--out", str(tmp_path / "out"), "--executor", "ray"]) == 2
    told = capsys.readouterr().err
    assert told.count("tiny: a worker was lost; its jobs go to another") == MOST_LOSSES - 1
    assert f"{MOST_LOSSES} workers were lost at the same jobs" in told
    assert "models.NAME.resources" in told
    assert not list((tmp_path / "out").glob("runs/*/*/record.json"))


def test_without_an_address_a_ray_with_a_password_is_started(project, local, tmp_path):
    """In a process of its own: Ray reads the environment's password when it is imported."""
    given = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}
    run = ["run", "--models", "other", "--tasks", "mini_yesno,mini_sentiment_rank", "--limit", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", *run, "--out", tmp_path, "--executor", "ray"],
        cwd=project, env={**given, "HOME": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mine = {name: whole for name, whole in made(local).items() if name.startswith("runs/other/")}
    assert mine
    assert made(tmp_path) == mine
    assert not (tmp_path / ".ray").exists()
