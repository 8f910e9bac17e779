"""What vLLM's processes are told, without vLLM (the rest: tests/vllm)."""

from __future__ import annotations

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
