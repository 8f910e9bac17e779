"""The vLLM engine against the transformers engine on a suite's own requests, in float32.

    BENCH_DATA=... .venv-vllm/bin/python -m benchmarks.same_scores
        --model smollm2 --tasks biomed,biomed-rank --limit 20 [--adapters 2]

Takes `bench run`'s own options. The base and `--adapters` random LoRA adapters
are asked of one vLLM, then of the transformers engine, both in this process and
environment. A last row asks base and adapters for the same scores in one batch
of vLLM's, request by request in turn. Prints a Markdown row per task and model;
exits with 1 if a score is off by more than the tolerance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.commands.options import (
    model_options,
    output_options,
    task_options,
    workspace_of,
)
from bench.scoring import Asking, load_tasks, planned
from bench.workspace import Workspace
from benchmarks.options import parser_of
from harness.ask import Asker
from harness.engines.base import Call, EngineReport, ScoreRequest, Tokenizer
from harness.engines.hf.engine import HFEngine
from harness.engines.vllm.engine import VLLMEngine
from harness.engines.vllm.following import StepRequest
from harness.lm import StoredLM
from harness.models.sources import fetch
from harness.progress import NullProgress
from harness.run import ask_job
from harness.types import Response

# Nats of a whole answer, float32: two paths of the transformers engine alone differ by up to
# 7.3e-5 on these texts (README.md), for sums taken in another order; vLLM's kernels are a third.
TOLERANCE = 2e-4
LONGEST = 4096
CACHE = 2**30


@dataclass
class Noting:
    """An engine that answers nothing and notes what it is asked."""

    tokens: Tokenizer
    max_length: int
    numerics: dict[str, Any] = field(default_factory=dict)
    report: EngineReport = field(default_factory=EngineReport)
    asked: list[Any] = field(default_factory=list)

    def score(
        self, requests: Sequence[Any], adapter: Path | None = None, answered: Set[int] = frozenset()
    ) -> Iterator[Call]:
        self.asked += requests
        yield [(i, Response("loglikelihood", status="error")) for i in range(len(requests))]

    def generate(
        self, requests: Sequence[Any], adapter: Path | None = None, answered: Set[int] = frozenset()
    ) -> Iterator[Call]:
        self.asked += requests
        yield [(i, Response("generation", status="error")) for i in range(len(requests))]

    def release(self) -> None:
        """Nothing is held."""


def requests_of(
    workspace: Workspace, args: argparse.Namespace, tokens: Tokenizer
) -> dict[str, list[Any]]:
    """By task, the token requests of `bench run` with these options."""
    asking = Asking(tuple(args.tasks), args.shots or (), args.draws, args.limit, args.chat)
    tasks, jobs = planned(workspace, asking, [workspace.resolve(args.model)])
    built = load_tasks(workspace, jobs, tasks)
    found: dict[str, list[Any]] = {}
    for job in jobs:
        noting = Noting(tokens, LONGEST - 1)
        lm = StoredLM(Asker(noting, None, None, NullProgress()))
        ask_job(job, built[job.shots, job.draw][job.task], lm, None)
        found[f"{job.task}@{job.shots}"] = noting.asked
    return found


def random_adapter(folder: Path, model: Path, seed: int) -> Path:
    """A LoRA adapter over all linear layers that changes every score and spoils no text."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    lora = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    lora.save_pretrained(folder)
    return folder


def answers(engine: Any, asked: list[Any], adapter: Path | None) -> list[Response]:
    found: dict[int, Response] = {}
    act = engine.score if isinstance(asked[0], ScoreRequest) else engine.generate
    for call in act(asked, adapter):
        found.update(call)
    return [found[i] for i in range(len(asked))]


def in_one_batch(
    engine: VLLMEngine, asked: list[ScoreRequest], adapters: list[Path | None]
) -> dict[tuple[int, int], float]:
    """First answer tokens' log-probabilities by (request, model), all models side by side."""
    from vllm import SamplingParams

    asks = (
        StepRequest(
            (i, which),
            request.context,
            SamplingParams(
                max_tokens=1, temperature=0.0, logprob_token_ids=[request.continuation[0]]
            ),
            adapter,
        )
        for i, request in enumerate(asked)
        for which, adapter in enumerate(adapters)
    )
    return {
        answer.key: answer.output.logprobs[0][asked[answer.key[0]].continuation[0]].logprob
        for step in engine._process.run(asks)
        for answer in step
    }


def compared(mine: list[Response], theirs: list[Response]) -> tuple[float, str]:
    """Largest difference in nats, and what a row says."""
    pairs = list(zip(mine, theirs, strict=True))
    if mine[0].kind == "generation":
        equal = sum(a.text == b.text and a.finish == b.finish for a, b in pairs)
        return 0.0, f"{equal} of {len(pairs)} texts equal"
    worst = max(abs((a.loglikelihood or 0) - (b.loglikelihood or 0)) for a, b in pairs)
    flags = sum(a.greedy == b.greedy for a, b in pairs)
    longest = max(b.tokens for b in theirs)
    return (
        worst,
        f"{worst:.1e} ({flags} of {len(pairs)} greedy flags equal; up to {longest} tokens)",
    )


def main() -> int:
    parser = parser_of(__doc__, model="smollm2", adapters=2)
    task_options(parser)
    model_options(parser)
    output_options(parser)
    args = parser.parse_args()
    workspace = workspace_of(args)
    folder = fetch(workspace.registry.model(args.model)).folder
    vllm = VLLMEngine(folder, dtype="float32", max_length=LONGEST - 1, kv_cache_memory_bytes=CACHE)
    by_task = requests_of(workspace, args, vllm.tokens)
    with tempfile.TemporaryDirectory() as root:
        adapters: list[Path | None] = [None]
        for seed in range(1, args.adapters + 1):
            adapters.append(random_adapter(Path(root) / str(seed), folder, seed))
        return compare(vllm, HFEngine(folder, dtype="float32", max_length=LONGEST - 1),
                       by_task, adapters)  # fmt: skip


def compare(
    vllm: VLLMEngine, hf: HFEngine, by_task: dict[str, list[Any]], adapters: list[Path | None]
) -> int:
    """Print the table; 1 if the engines disagree."""
    model = [f"adapter {i}" if i else "base" for i in range(len(adapters))]
    mine: dict[tuple[str, int], list[Response]] = {}
    began = time.perf_counter()
    for task, asked in by_task.items():
        for which, adapter in enumerate(adapters):
            mine[task, which] = answers(vllm, asked, adapter)
    scores = [r for asked in by_task.values() for r in asked if isinstance(r, ScoreRequest)]
    chosen = scores[:: len(scores) // 20 or 1]
    some = [ScoreRequest(r.context, r.continuation[:1]) for r in chosen]
    mixed = in_one_batch(vllm, some, adapters) if some else {}
    vllm.release()
    print(f"vllm: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print("| task | model | requests | difference |\n|---|---|---|---|", flush=True)
    worst = 0.0
    for (task, which), found in mine.items():
        off, told = compared(found, answers(hf, by_task[task], adapters[which]))
        worst = max(worst, off)
        print(f"| {task} | {model[which]} | {len(found)} | {told} |", flush=True)
    if some:
        alone = {w: answers(hf, some, adapter) for w, adapter in enumerate(adapters)}
        off = max(abs(v - (alone[w][i].loglikelihood or 0)) for (i, w), v in mixed.items())
        worst = max(worst, off)
        print(f"| all in one batch | {', '.join(model)} | {len(mixed)} | {off:.1e} |")
    print(f"\nlargest difference {worst:.1e} nats, tolerance {TOLERANCE:g}")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
