"""The vLLM engine: base and adapters in one process, shared beginnings out of its cache.

Every answer token's log-probability is read off one *output* step: a request
whose prompt ends just before the token, which writes one token and reports the
log-probabilities of all answers that continue there (`logprob_token_ids`).
vLLM gives a prompt's own log-probabilities too, but such a request never reads
the prefix cache and computes its whole context again; output steps read it, so
a context is computed once, however many answers follow it. Requests go in
sorted: neighbours share the longest beginnings, which are then still cached.
What the cache leaves out, the tokens after a prompt's last whole block, `tails.py`
hands on from a step to those that follow it (`steps.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from harness.engines.answers import refusal, refused
from harness.engines.base import Call, EngineReport, GenerateRequest, ScoreRequest
from harness.engines.device import numerics, resolve_device, resolve_dtype
from harness.engines.fastest import fastest_dtype
from harness.engines.prefix import Forest
from harness.engines.tokens import HFTokens, end_tokens, longest_input
from harness.engines.vllm.following import StepRequest
from harness.engines.vllm.process import Answer, VLLMProcess, vllm_version
from harness.engines.vllm.steps import Node, Tally
from harness.engines.writing import Writing
from harness.errors import UserError
from harness.files import cache_folder

Asked = TypeVar("Asked", ScoreRequest, GenerateRequest)
# Arguments that say where answers are computed and how many at a time, not by which arithmetic.
RESOURCES = frozenset(
    (
        *("block_size", "gpu_memory_utilization", "kv_cache_memory_bytes", "max_num_seqs"),
        *("max_num_batched_tokens", "enable_prefix_caching", "load_format", "disable_log_stats"),
        *("enable_lora", "max_loras", "max_cpu_loras", "max_lora_rank"),
    )
)


class VLLMEngine:
    """Scores and generates with vLLM over a transformers folder and LoRA adapters.

    Args:
        folder: an ordinary transformers folder.
        dtype: as for `HFEngine`.
        quantisation: "" only; vLLM's own kinds go into `engine_args`.
        max_length: longest input in tokens; None takes the model's, less the
            one token that vLLM must always have room to write.
        reasoning_tokens: as for `HFEngine`.
        engine_args: of vLLM's `EngineArgs`, as they are (tensor_parallel_size,
            pipeline_parallel_size, quantization, ...).
    """

    special = frozenset({"top_k", "min_p", "repetition_penalty"})
    streams = True

    def __init__(
        self,
        folder: Path,
        *,
        dtype: str = "auto",
        quantisation: str = "",
        trust_remote_code: bool = False,
        max_length: int | None = None,
        reasoning_tokens: int = 0,
        **engine_args: Any,
    ) -> None:
        if quantisation:
            raise UserError(
                f"{folder}: quantisation '{quantisation}' is not vLLM's. Use engine 'hf', or "
                "leave it out and name one of vLLM's in engine_args, such as quantization = 'fp8'."
            )
        self.folder = folder
        self.tokens = HFTokens(folder, trust_remote_code)
        self.max_length = max_length or longest_input(self.tokens) - 1
        self.report = EngineReport(path=f"vllm {vllm_version()}")
        self.device = resolve_device("auto")
        if dtype == "fastest":
            self.dtype = fastest_dtype(folder, self.device, trust_remote_code, cache_folder())
        else:
            self.dtype = resolve_dtype(dtype, self.device)
        self._arithmetic = {k: v for k, v in sorted(engine_args.items()) if k not in RESOURCES}
        self._room = min(reasoning_tokens, self.max_length // 2)
        if self._room:
            self._arithmetic["reasoning_tokens"] = self._room
        self._thinks = False  # thoughts were seen in answers: vLLM's stop strings would cut them
        self._ends = end_tokens(self.tokens)
        self._process = VLLMProcess(
            folder,
            self.device,
            {
                "dtype": self.dtype,
                "max_model_len": self.max_length + 1,
                "trust_remote_code": trust_remote_code,
                **engine_args,
            },
        )

    @property
    def numerics(self) -> dict[str, Any]:
        """What a response's key says about how it was computed."""
        return numerics("vllm", self.dtype, self.device, self.max_length, self._arithmetic)

    def score(
        self,
        requests: Sequence[ScoreRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Yield log-likelihoods as soon as the last of their tokens is in."""
        if failed := refused(requests, self.max_length, answered):
            yield failed
        usable = dict(self._usable(requests, answered, self.max_length))
        tally = Tally(usable, self.max_length)
        order = self._sorted(list(usable), tally.inputs())
        nodes = tally.nodes(order, self._process.block_size)
        for answers, seconds in self._answers(self._steps(nodes, adapter)):
            self.report.seconds_prefill += seconds
            if call := [done for answer in answers for done in tally.take(answer)]:
                yield call

    def generate(
        self,
        requests: Sequence[GenerateRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Yield each generation as soon as it is written."""
        longest = self.max_length - self._room
        if failed := refused(requests, longest, answered):
            yield failed
        writings: dict[int, Writing] = {}
        for i, request in self._usable(requests, answered, longest):
            prompt = request.input(longest)
            cut = len(request.prompt) - len(prompt)
            writings[i] = Writing(
                i, prompt, cut, request.decoding, self.tokens, self._ends, self._room
            )
        order = self._sorted(list(writings), [w.prompt for w in writings.values()])
        while order:
            again: list[int] = []
            asks = (
                StepRequest(i, w.prompt, self._sampling(requests[i], w.opened), adapter)
                for i, w in ((i, writings[i]) for i in order)
            )
            for answers, seconds in self._answers(asks):
                self.report.seconds_decode += seconds
                call: Call = []
                for answer in answers:
                    writing, output = writings[answer.key], answer.output
                    writing.take(output.token_ids, output.finish_reason == "length")
                    self.report.tokens_generated += len(output.token_ids)
                    cut = writing.thinking and writing.finish == "stop"
                    if cut and not (writing.opened or self._thinks):
                        again.append(answer.key)  # a stop string stood in the thoughts
                    else:
                        call.append((answer.key, writing.response()))
                if call:
                    yield call
            order, self._thinks = again, self._thinks or bool(again)

    def release(self) -> None:
        """End vLLM's processes, which frees all their memory; a later call starts them again."""
        self._process.end()

    @staticmethod
    def _usable(
        requests: Sequence[Asked], answered: Set[int], longest: int
    ) -> Iterator[tuple[int, Asked]]:
        for i, request in enumerate(requests):
            if i not in answered and refusal(request, longest) is None:
                yield i, request

    def _sorted(self, indices: list[int], inputs: list[tuple[int, ...]]) -> list[int]:
        """The requests in the order of their prefix tree, counted in the report."""
        forest = Forest(inputs)
        self.report.tokens_asked += forest.asked
        self.report.distinct_nodes += forest.nodes
        return [indices[place] for place in forest.order.tolist()]

    def _answers(self, asks: Iterator[StepRequest]) -> Iterator[tuple[list[Answer], float]]:
        """What vLLM finished, and the seconds it took; counted in the report."""
        first = next(asks, None)
        if first is None:
            return  # nothing is missing: vLLM is not even started
        began = time.perf_counter()
        for answers in self._process.run(chain([first], asks)):
            self.report.calls += 1
            self.report.tokens_computed += sum(a.prompt_tokens - a.cached_tokens for a in answers)
            yield answers, time.perf_counter() - began
            began = time.perf_counter()

    def _steps(self, nodes: Iterable[Node], adapter: Path | None) -> Iterator[StepRequest]:
        """An output step a node, and after it those that follow it."""
        from vllm import SamplingParams

        for node in nodes:
            params = SamplingParams(
                max_tokens=1,
                temperature=0.0,
                logprob_token_ids=list(node.waiting) or None,
                detokenize=False,
            )
            then = self._steps(node.then, adapter)
            yield StepRequest(node, node.prompt, params, adapter, len(node.then), then)

    def _sampling(self, request: GenerateRequest, opened: bool) -> Any:
        from vllm import SamplingParams

        how = request.decoding
        stops = [] if opened or self._thinks else [stop for stop in how.stop if stop]
        return SamplingParams(
            max_tokens=how.max_tokens + self._room,
            temperature=how.temperature,
            top_p=how.top_p,
            seed=how.seed if how.temperature > 0 else None,
            **how.special,
            stop=stops,
            stop_token_ids=sorted(self._ends.union(*map(self._special, stops))),
        )

    def _special(self, stop: str) -> set[int]:
        """The special token a stop string is: vLLM's texts leave special tokens out."""
        tokenizer = self.tokens.tokenizer
        ids = tokenizer.encode(stop, add_special_tokens=False)
        return set(ids) if len(ids) == 1 and ids[0] in tokenizer.all_special_ids else set()
