"""One training over several GPUs: a process each, the same steps as one alone would take.

Each process (`rank.py`) trains on its share of every batch; accelerate, by way
of transformers' Trainer, sums the gradients before each step. The examples of a
step, its loss and its checkpoints are those of a single process, so the adapter
is the same but for the rounding of sums. Without GPUs the processes share the
CPU, which gains nothing but a test.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.doors.files import parse_json, read_object
from harness.errors import UserError
from harness.types import Json, Progress
from specializers.training.examples import TrainingExample
from specializers.training.params import TrainParams


def train_in_processes(
    count: int,
    folder: Path,
    base_name: str,
    examples: Sequence[TrainingExample],
    out: Path,
    params: TrainParams,
    progress: Progress,
    *,
    trust_remote_code: bool = False,
    dtype: str = "",
) -> Json:
    """`train_lora` by `count` processes; arguments and files are the same.

    Returns:
        the content of training.json.
    Raises:
        UserError: `batch` cannot be shared out, there are too few GPUs, or what a process
            was told by its own.
        RuntimeError: a process ended otherwise.
    """
    _check(count, params)
    call = {
        "folder": str(folder),
        "base_name": base_name,
        "examples": [asdict(example) for example in examples],
        "out": str(out),
        "params": asdict(params),
        "trust_remote_code": trust_remote_code,
        "dtype": dtype,
    }
    processes = _start(count)
    watchers = [threading.Thread(target=_watch, args=(p, processes)) for p in processes]
    try:
        for watcher in watchers:
            watcher.start()
        for process in processes:
            _tell(process, call)
        mistake = _follow(processes[0], progress)
    finally:
        if sys.exc_info()[0]:
            _end(processes)
        for watcher in watchers:
            watcher.join()
    if mistake:
        raise UserError(mistake)
    if codes := [process.returncode for process in processes if process.returncode]:
        raise RuntimeError(f"training: a process of {count} ended with code {codes[0]}; see above")
    report: Json = read_object(out / "training.json")
    return report


def _check(count: int, params: TrainParams) -> None:
    import torch

    if params.batch % count:
        raise UserError(
            f"train_processes = {count}: a batch of {params.batch} examples cannot be shared out "
            "evenly. Set one that can: --set batch=N."
        )
    there = torch.cuda.device_count()
    if 0 < there < count:
        raise UserError(
            f"train_processes = {count}: found {there} GPUs, and each process takes one. "
            "Set train_processes of the model to at most that."
        )


def _start(count: int) -> list[subprocess.Popen[str]]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if sys.platform == "linux":
        meeting["GLOO_SOCKET_IFNAME"] = "lo"  # the sums of a CPU stay on this machine
    return [
        subprocess.Popen(
            [sys.executable, "-m", "specializers.training.rank"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if rank else subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **meeting,
                "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
            },
        )
        for rank in range(count)
    ]


def _tell(process: subprocess.Popen[str], call: Mapping[str, Any]) -> None:
    """Send the call; the pipe stays open, for its end tells the process that we are gone."""
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(call) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it ended already, and its code says so


def _follow(lead: subprocess.Popen[str], progress: Progress) -> str:
    """Pass on what the first process tells; the mistake it met, or ""."""
    assert lead.stdout is not None
    for line in lead.stdout:
        what, *rest = parse_json(line)
        if what == "mistake":
            return str(rest[0])
        getattr(progress, what)(*rest)
    return ""


def _watch(process: subprocess.Popen[str], everyone: Sequence[subprocess.Popen[str]]) -> None:
    """When one fails the others would wait for it for ever."""
    if process.wait():
        _end(everyone)


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()
