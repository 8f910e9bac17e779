"""vLLM itself: started when first needed, kept supplied with requests, ended to free its memory."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

from harness.doors.model import check_adapter
from harness.engines.device import total_memory
from harness.engines.vllm.following import Asked, Following, StepRequest
from harness.errors import MissingExtra, UserError
from harness.identity.things import adapter_identity

# Requests inside vLLM at a time: several times its batch, so that a batch is never short of
# work, and few enough that a hundred thousand prompts are not all copied at once.
WINDOW = 1024
# vLLM's own variables, unless the user set them: no usage report to its makers, and no log
# of every start.
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
# On a CPU it binds each thread to a core, where it stands still while another program has that
# core, and all others wait for it; the kernel does better. And it takes a worker for dead after
# 300 seconds of one step, or 600 of a start: 2,048 tokens through 7B weights take that on some
# cores, and a small model beside other work did.
CPU_ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS": "7200",
    "VLLM_ENGINE_READY_TIMEOUT_S": "7200",
}
# On a CPU vLLM would take nearly all the memory for keys and values, and share nothing below
# 128 tokens; 32 is the least its attention takes. Compiling takes longer there than most suites.
CPU_CACHE = 4 * 2**30
CPU_BLOCK = 32
# Tokens of a block elsewhere, unless told.
BLOCK = 16
# The highest rank and the number of adapters in one batch that vLLM makes room for.
LORA_RANK = 64
LORAS = 4
# On a CPU vLLM copies each token's adapter, filled up to that rank, for every layer: with rank 64
# and a step of 2,048 tokens 0.8 GB at once for a 135M model, and minutes. Base tokens pay it too.
CPU_LORA_RANK = 16
CPU_STEP_TOKENS = 512
# The share of the cache that requests may take whose followers are still to come: the others
# need room to run.
OPEN = 0.75
# Seconds its processes get to end by themselves.
END = 60
# The entry of a request's `extra_args` that tells `tails.py` what it is to others.
EXTRA = "tails"


@dataclass(frozen=True)
class Answer:
    """What vLLM wrote, and how much of the prompt its cache had."""

    key: Any
    output: Any
    prompt_tokens: int
    cached_tokens: int


class VLLMProcess:
    """vLLM over one folder, in processes of its own.

    Args:
        folder: a transformers folder.
        device: "cpu" or "cuda".
        arguments: of vLLM's `EngineArgs`; ours are defaults under them.
    """

    def __init__(self, folder: Path, device: str, arguments: Mapping[str, Any]) -> None:
        self.folder = folder
        defaults: dict[str, Any] = {
            "enable_prefix_caching": True,
            "enable_lora": True,
            "max_loras": LORAS,
            "max_lora_rank": LORA_RANK,
            "generation_config": "vllm",
            "disable_log_stats": True,
            "scheduling_policy": "priority",
        }
        if device == "cpu":
            defaults |= {
                "block_size": CPU_BLOCK,
                "enforce_eager": True,
                "kv_cache_memory_bytes": min(CPU_CACHE, total_memory("cpu") // 4),
                "max_lora_rank": CPU_LORA_RANK,
                "max_num_batched_tokens": CPU_STEP_TOKENS,
            }
        self.device = device
        self.arguments = defaults | dict(arguments)
        self.block_size: int = self.arguments.get("block_size", BLOCK)
        self._engine: Any = None
        self._children: list[Any] = []
        self._names = map(str, count())

    def run(self, asks: Iterator[StepRequest]) -> Iterator[list[Answer]]:
        """Keep vLLM supplied; yield what each of its steps finished.

        In the order given, but for what follows an answered request: that goes first, so that
        its beginning is still cached and what is kept for it is soon needed no more.
        """
        engine = self._started()
        running: dict[str, Asked] = {}
        blocks = engine.vllm_config.cache_config.num_gpu_blocks
        following = Following(asks, self._names, self.block_size, int(blocks * OPEN))
        # Looked at once a run: its files are read to name it.
        adapter = cache(self._lora)
        try:
            while True:
                while len(running) < WINDOW and (asked := following.take(not running)):
                    self._add(engine, asked, adapter(asked.request.adapter))
                    running[asked.name] = asked
                if not running:
                    return
                answers = []
                for output in engine.step():
                    if output.finished:
                        asked = running.pop(output.request_id)
                        following.answered(asked)
                        answers.append(_answer(asked, output))
                if answers:
                    yield answers
        finally:
            if running and self._engine is not None:
                engine.abort_request(list(running))

    def end(self) -> None:
        """End vLLM's processes, which frees all their memory; `run` starts them again."""
        if self._engine is not None:
            self._engine.engine_core.shutdown(timeout=END)
            over = time.monotonic() + END
            for child in self._children:
                child.join(END)
                # vLLM's watching thread may be the one that the system told: the exit code is
                # there, and the process gone from the list of children, once that thread runs.
                while child.exitcode is None and time.monotonic() < over:
                    time.sleep(0.01)
            self._engine = None

    def _started(self) -> Any:
        if self._engine is None:
            set_environment(self.device)
            try:
                from vllm import EngineArgs, LLMEngine
            except ImportError as error:
                raise MissingExtra("vllm", "vllm", "engine 'vllm'") from error
            try:
                arguments = EngineArgs(model=str(self.folder), **tails_shared() | self.arguments)
            except TypeError as error:
                raise UserError(
                    f"engine_args of the model in {self.folder}: {error}. They are those of "
                    "vLLM's EngineArgs; 'vllm serve --help' lists them, with hyphens."
                ) from error
            others = multiprocessing.active_children()
            self._engine = LLMEngine.from_engine_args(arguments)
            self._children = [c for c in multiprocessing.active_children() if c not in others]
        return self._engine

    @staticmethod
    def _add(engine: Any, asked: Asked, lora: Any) -> None:
        request = asked.request
        if request.followers or asked.before is not None:
            before = asked.before.name if asked.before is not None else ""
            request.params.extra_args = {EXTRA: [asked.name, request.followers, before]}
        prompt = {"prompt_token_ids": list(request.prompt)}
        # vLLM takes the lowest first: those that follow others do not wait behind what came before.
        engine.add_request(
            asked.name, prompt, request.params, lora_request=lora, priority=-asked.depth
        )

    def _lora(self, adapter: Path | None) -> Any:
        """vLLM's name for an adapter: by its content, so two adapters never share an answer."""
        if adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        rank = int(check_adapter(adapter)["r"])
        most = self.arguments["max_lora_rank"]
        if rank > most:
            raise UserError(
                f"{adapter}: rank {rank}, but vLLM makes room for at most {most}. "
                "Raise 'max_lora_rank' in the model's engine_args."
            )
        name = adapter_identity(adapter)
        return LoRARequest(name, adapter_id(name), str(adapter))


def _answer(asked: Asked, output: Any) -> Answer:
    size, cached = len(output.prompt_token_ids), output.num_cached_tokens or 0
    return Answer(asked.request.key, output.outputs[0], size, cached)


def set_environment(device: str) -> None:
    """Set vLLM's variables for this process and its children, but for those the user set."""
    for name, value in (ENVIRONMENT | (CPU_ENVIRONMENT if device == "cpu" else {})).items():
        os.environ.setdefault(name, value)


def tails_shared() -> dict[str, Any]:
    """The argument that has vLLM load `tails.py`; none where vLLM takes no KV connector."""
    from vllm.config import KVTransferConfig

    # vLLM's own check, which would end the start: it cannot tell whether memory is registered.
    if "expandable_segments:True" in os.environ.get("PYTORCH_CUDA_ALLOC_CONF", ""):
        return {}
    shared = KVTransferConfig(
        kv_connector="TailConnector",
        kv_connector_module_path="harness.engines.vllm.tails",
        kv_role="kv_producer",
    )
    return {"kv_transfer_config": shared}


def adapter_id(name: str) -> int:
    """vLLM's number for an adapter: positive, and another for another digest (60 bits of it)."""
    return int(name[:15], 16) + 1


def vllm_version() -> str:
    """The version installed, under the name of the ordinary or of the CPU build; "" if none."""
    for package in ("vllm", "vllm-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""
