"""What the order of requests is worth to vLLM's prefix cache, in vLLM's environment.

    .venv-vllm/bin/python -m benchmarks.vllm_order MODEL_FOLDER
        [--cases hoc5,qa0] [--items 60] [--cache-tokens 2048] [--longest 1024] [--orders 4]

The same requests, one for each answer, in four orders over a cache of keys and
values that is smaller than the job, emptied before each: one choice after the
other for all items (as two tasks over one set of documents ask), item by item
(as one task gives them), longest first (as lm-eval's backends sort them) and in
the order of their prefix tree. Then the engine's own run of the job, which asks
an item's single-token answers at once and an answer's tokens one after the other;
`--orders 0` measures it alone. Prints the share of the tokens asked that
the cache had, the tokens that were computed, and seconds of the clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.engine import CASES, prompts, requests
from benchmarks.options import options_of
from benchmarks.vllm_backend import Encoder, ours
from harness.engines.base import EngineReport, ScoreRequest
from harness.engines.vllm.engine import VLLMEngine
from harness.engines.vllm.following import StepRequest
from harness.engines.vllm.process import CPU_BLOCK, vllm_version


def orders(asked: Sequence[ScoreRequest], choices: int) -> dict[str, list[tuple[int, ...]]]:
    """The prompts of the requests in each order."""
    given = [request.context + request.continuation[:-1] for request in asked]
    turned = [prompt for choice in range(choices) for prompt in given[choice::choices]]
    return {
        "one choice after the other": turned,
        "item by item": given,
        "longest first": sorted(given, key=lambda prompt: (-len(prompt), prompt)),
        "prefix tree": sorted(given),
    }


def run(engine: VLLMEngine, given: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """Tokens asked and tokens computed."""
    from vllm import SamplingParams

    params = SamplingParams(max_tokens=1, temperature=0.0, detokenize=False)
    asks = (StepRequest(i, prompt, params) for i, prompt in enumerate(given))
    answers = [answer for step in engine._process.run(asks) for answer in step]
    asked = sum(answer.prompt_tokens for answer in answers)
    return asked, asked - sum(answer.cached_tokens for answer in answers)


def row(case: str, order: str, asked: int, computed: int, seconds: float) -> str:
    return (
        f"| {case} | {order} | {asked:,} | {computed:,} | {1 - computed / asked:.2f} "
        f"| {seconds:.1f} s |"
    )


def main() -> None:
    options = options_of(
        __doc__, "model", cases="hoc5,qa0", items=60, cache_tokens=2048, longest=1024, orders=4
    )
    engine = VLLMEngine(
        options.model,
        dtype="float32",
        max_length=options.longest - 1,
        # One block more: vLLM keeps one for itself.
        num_gpu_blocks_override=options.cache_tokens // CPU_BLOCK + 1,
        max_num_seqs=16,
        enable_lora=False,
    )
    print(
        f"vLLM {vllm_version()}, float32, {options.items} items, "
        f"room for {options.cache_tokens} tokens\n"
    )
    print("| case | order | tokens asked | computed | cache hits | time |\n" + "|---" * 6 + "|")
    for case in options.cases.split(","):
        texts, choices = prompts(CASES[case], options.items)
        asked = requests(Encoder(engine), texts, choices)
        run(engine, [asked[0].context])  # starting is not measured
        for order, given in list(orders(asked, len(choices)).items())[: options.orders]:
            engine._process._engine.reset_prefix_cache()
            began = time.perf_counter()
            print(row(case, order, *run(engine, given), time.perf_counter() - began), flush=True)
        engine._process._engine.reset_prefix_cache()
        engine.report = EngineReport()
        began = time.perf_counter()
        ours(engine, asked, None)
        found = engine.report
        seconds = time.perf_counter() - began
        name = f"the engine, {found.distinct_nodes:,} distinct"
        print(row(case, name, found.tokens_asked, found.tokens_computed, seconds), flush=True)


if __name__ == "__main__":
    main()
