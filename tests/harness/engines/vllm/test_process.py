"""What vLLM's processes are told, and how they end, without vLLM (the rest: tests/vllm)."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

from harness.engines.vllm import process as vllm_process


def test_what_the_user_set_stays(monkeypatch):
    environment = {"VLLM_CPU_OMP_THREADS_BIND": "0-3"}
    monkeypatch.setattr(vllm_process.os, "environ", environment)
    vllm_process.set_environment("cpu")
    assert environment["VLLM_CPU_OMP_THREADS_BIND"] == "0-3"
    assert int(environment["VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"]) > 300


def test_on_a_gpu_vllm_keeps_its_own_bounds(monkeypatch):
    environment: dict[str, str] = {}
    monkeypatch.setattr(vllm_process.os, "environ", environment)
    vllm_process.set_environment("cuda")
    assert environment == vllm_process.ENVIRONMENT


def test_its_processes_are_over_once_another_thread_says_how_they_ended():
    """As vLLM's watching thread does: it takes the exit code from the system, and tells later."""
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    child.start()

    def watch() -> None:
        os.waitpid(child.pid, 0)
        time.sleep(0.3)
        child._popen.returncode = -15

    watching = threading.Thread(target=watch)

    def shutdown(timeout: float) -> None:
        child.terminate()
        watching.start()
        time.sleep(0.1)

    ended = vllm_process.VLLMProcess(Path("none"), "cpu", {})
    ended._engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=shutdown))
    ended._children = [child]
    ended.end()
    assert child not in multiprocessing.active_children()
    assert child.exitcode == -15
    watching.join()
