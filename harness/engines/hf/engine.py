"""The transformers engine: every distinct token of a job computed once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeVar

from harness.engines.base import Call, EngineReport, GenerateRequest, ScoreRequest
from harness.engines.device import (
    import_torch,
    numerics,
    resolve_device,
    resolve_dtype,
    total_memory,
)
from harness.engines.fastest import fastest_dtype
from harness.engines.heap import give_back_freed_memory
from harness.engines.hf.adapters import Adapters
from harness.engines.hf.beginnings import Beginnings
from harness.engines.hf.generation import Generation, stream
from harness.engines.hf.job import Job
from harness.engines.hf.network import Network
from harness.engines.hf.probe import check, choose_path
from harness.engines.hf.scoring import Scoring
from harness.engines.loading import load_model
from harness.engines.tokens import HFTokens, longest_input
from harness.errors import UserError
from harness.files import cache_folder
from harness.types import Json

log = logging.getLogger(__name__)

AnyJob = TypeVar("AnyJob", bound=Job[Any])

# Tokens a pass on a GPU, and the most on a CPU.
GPU_BUDGET = 4096
# Of a device's memory, what keys and values of beginnings that are kept may take.
BEGINNINGS_SHARE = 0.025


def cpu_budget(threads: int) -> int:
    """Tokens a pass on a CPU: what Python does between two products is no less with more threads.

    Measured with SmolLM2-135M, DDI at 5 shots, as times the bound: one thread 1.19 with 256,
    1.11 with 512, 1.13 with 1024; two threads 1.41 with 512, 1.26 with 1024. Long answers'
    logits grow with the pass.
    """
    return min(512 * threads, GPU_BUDGET)


class HFEngine:
    """Scores and generates with a transformers folder and LoRA adapters over it.

    Args:
        folder: an ordinary transformers folder.
        dtype: "auto" (float32 on a CPU, bfloat16 on a GPU), a dtype's name, or
            "fastest" (measured once per machine and model; see fastest.py).
        quantisation: "" or "nf4".
        device: "auto", "cpu", "cuda", "cuda:1".
        device_map: "" for one device, else how to spread over several; see loading.spread.
        memory: the most weights may take on each device; see loading.spread.
        trust_remote_code: run the model's own Python code.
        max_length: longest input in tokens; None takes the model's.
        attention: "sdpa" or "eager".
        token_budget: tokens a pass; None chooses by device.
        path: "auto" takes the best path the architecture passes the probe for;
            "packed", "branched" and "plain" insist.
        reasoning_tokens: tokens a model may write for itself before its answer, beside the
            answer's own.
    """

    special = frozenset({"top_k", "min_p", "repetition_penalty"})
    streams = True

    def __init__(
        self,
        folder: Path,
        *,
        dtype: str = "auto",
        quantisation: str = "",
        device: str = "auto",
        device_map: str | Mapping[str, Any] = "",
        memory: Mapping[str, str] | None = None,
        trust_remote_code: bool = False,
        max_length: int | None = None,
        attention: str = "sdpa",
        token_budget: int | None = None,
        path: str = "auto",
        reasoning_tokens: int = 0,
    ) -> None:
        self.folder = folder
        self.tokens = HFTokens(folder, trust_remote_code)
        self.max_length = max_length or longest_input(self.tokens)
        self.report = EngineReport()
        self.device = resolve_device(device)
        self._dtype = dtype if dtype == "fastest" else resolve_dtype(dtype, self.device)
        self.quantisation = quantisation
        self.device_map = device_map
        self.memory = memory
        self.attention = attention
        if not token_budget:
            cpu = self.device == "cpu"
            token_budget = cpu_budget(import_torch().get_num_threads()) if cpu else GPU_BUDGET
        self.token_budget = token_budget
        self.trust_remote_code = trust_remote_code
        self.path = path
        self.room = min(reasoning_tokens, self.max_length // 2)
        self._loaded: Network | None = None
        self._beginnings: Beginnings | None = None
        self._paths: dict[tuple[int, bool], str] = {}

    @property
    def dtype(self) -> str:
        """The weights' dtype; "fastest" is measured when it is first asked for."""
        if self._dtype == "fastest":
            self._dtype = fastest_dtype(
                self.folder, self.device, self.trust_remote_code, cache_folder()
            )
        return self._dtype

    @property
    def numerics(self) -> dict[str, Any]:
        """What a response's key says about how it was computed."""
        own: Json = {"quantisation": self.quantisation, "attention": self.attention}
        if self.room:
            own["reasoning_tokens"] = self.room
        return numerics("hf", self.dtype, self.device, self.max_length, own)

    def score(
        self,
        requests: Sequence[ScoreRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Yield the log-likelihoods each forward pass completes."""
        return self._run(Scoring, requests, adapter, answered)

    def generate(
        self,
        requests: Sequence[GenerateRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Yield generations as they end, or those of each group of prompts."""
        return self._run(Generation, requests, adapter, answered)

    def generate_each(
        self, requests: Sequence[GenerateRequest], adapters: Sequence[Path | None]
    ) -> Iterator[Call]:
        """Yield generations, each with its own adapter: side by side where that can be."""
        own: dict[Path | None, list[int]] = {}
        for index, one in enumerate(adapters):
            own.setdefault(one, []).append(index)
        jobs = [self._job(Generation, requests, one, only=only) for one, only in own.items()]
        mixed = jobs[0].network.adapters
        if jobs[0].path == "packed" and mixed is not None and mixed.mixes(own):
            parts = []
            for job in jobs:
                failed, waiting = job.begin(frozenset())
                if failed:
                    yield failed
                parts.append((job, waiting))
            yield from stream(parts)
        else:
            for job in jobs:
                yield from job.run()
        self._measure_memory()

    def _run(
        self, kind: type[Job[Any]], requests: Sequence[Any], adapter: Path | None,
        answered: Set[int],
    ) -> Iterator[Call]:  # fmt: skip
        if len(answered) >= len(requests):
            return
        yield from self._job(kind, requests, adapter).run(answered)
        self._measure_memory()

    def _job(
        self, kind: type[AnyJob], requests: Sequence[Any], using: Path | None, **more: Any
    ) -> AnyJob:
        network = self._network(using)
        longest = max(request.longest for request in requests) + (self.room if kind.writes else 0)
        if kind.writes:
            if self._beginnings is None:
                most = BEGINNINGS_SHARE * total_memory(self.device)
                self._beginnings = Beginnings(network, int(most))
            more |= {"adapter": using, "beginnings": self._beginnings}
        return kind(
            network,
            self.tokens,
            requests,
            path=self._choose_path(network, longest, decode=kind.writes),
            budget=self.token_budget,
            max_length=self.max_length,
            report=self.report,
            room=self.room,
            **more,
        )

    def release(self) -> None:
        """Free the weights; a later call loads them again."""
        self._loaded = self._beginnings = None
        self._paths.clear()
        give_back_freed_memory()

    def _network(self, adapter: Path | None) -> Network:
        if self._loaded is None:
            model = load_model(
                self.folder,
                dtype=self.dtype,
                device=self.device,
                quantisation=self.quantisation,
                device_map=self.device_map,
                memory=self.memory,
                attention=self.attention,
                trust_remote_code=self.trust_remote_code,
            )
            self._loaded = Network(model, Adapters(model))
        self._loaded.use(adapter)
        return self._loaded

    def _choose_path(self, network: Network, longest: int, decode: bool) -> str:
        """The path for sequences of at most `longest` tokens, probed once per load."""
        beyond = network.window and longest > network.window
        root = network.window + 8 if beyond else 24
        if (root, decode) not in self._paths:
            path = self.path
            if path == "auto":
                path = choose_path(network, root, decode)
            elif path != "plain" and (fault := check(network, path, root, decode)):
                raise UserError(
                    f"{self.folder} cannot run on path '{path}': {fault}. Use path 'auto'."
                )
            self._paths[root, decode] = path
        self.report.path = self._paths[root, decode]
        return self.report.path

    def _measure_memory(self) -> None:
        torch = import_torch()
        if self.device == "cpu":
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        else:
            peak = torch.cuda.max_memory_allocated()
        self.report.peak_memory_bytes = max(self.report.peak_memory_bytes, peak)
