"""The prefix engine against lm-eval's transformers backend, and against the machine's bound.

    python benchmarks/engine.py MODEL_FOLDER [--cases hoc5,ddi5,...] [--items 100]
                                [--dtype float32] [--baseline-items 4]

One process, both engines on the same requests in turns, real text: the data
sets under BENCH_DATA, else the built-in miniature suite. The backend's time
grows with the items and nothing else (it shares nothing between them), so it is
measured on `--baseline-items` of them at its best batch size, half before and
half after the engine's two runs (the better counts), and compared per item. The
bound is the engine's distinct nodes at the model's best raw prefill speed: its
body over batches of whole rows, without LM head.

Prints one Markdown row per case: seconds per 100 items, ratio, largest score
difference (or equal answers), tokens asked and computed, share of the bound.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.engines.base import EngineReport, GenerateRequest, ScoreRequest
from harness.engines.hf import HFEngine
from harness.files import read_jsonl
from harness.types import Decoding

MINI = Path(__file__).parents[1] / "tasks" / "biomed_mini" / "data"
NEW_TOKENS = 64


@dataclass(frozen=True)
class Case:
    """What is asked of a data set: `choices` are scored, without them text is generated."""

    dataset: str
    mini: str
    shots: int
    instruction: str
    choices: tuple[str, ...] = ()
    labels: bool = False


CASES = {
    "hoc5": Case("hoc", "mini_hallmarks", 5, "Name the hallmark of cancer.", labels=True),
    "hoc0": Case("hoc", "mini_hallmarks", 0, "Name the hallmark of cancer.", labels=True),
    "ddi5": Case("ddi2013", "mini_relation", 5, "Do the drugs interact?", ("true", "false")),
    "ddi0": Case("ddi2013", "mini_relation", 0, "Do the drugs interact?", ("true", "false")),
    "qa5": Case("pubmedqa_ynm", "mini_yesno", 5, "Answer.", ("yes", "no", "maybe")),
    "qa0": Case("pubmedqa_ynm", "mini_yesno", 0, "Answer.", ("yes", "no", "maybe")),
    "ner5": Case("ncbi_disease", "mini_ner_disease", 5, "List the diseases."),
    "ner0": Case("ncbi_disease", "mini_ner_disease", 0, "List the diseases."),
}


def rows(case: Case, split: str) -> list[dict[str, Any]]:
    root = os.environ.get("BENCH_DATA")
    folder = Path(root) / case.dataset if root else MINI / case.mini
    return list(read_jsonl(folder / f"{split}.jsonl"))


def written(row: dict[str, Any]) -> str:
    target = row["target"]
    return target if isinstance(target, str) else "; ".join(target)


def prompts(case: Case, items: int) -> tuple[list[str], tuple[str, ...]]:
    """Prompts with the case's shots, and the answers to score."""
    train, test = rows(case, "train"), rows(case, "test")[:items]
    start = f"{case.instruction}\n\n" + "".join(
        f"{row['input']}\nAnswer: {written(row)}\n\n" for row in train[: case.shots]
    )
    choices = tuple(test[0]["labels"]) if case.labels else case.choices
    return [f"{start}{row['input']}\nAnswer:" for row in test], choices


def instances(texts: Sequence[str], choices: Sequence[str]) -> list[Any]:
    from lm_eval.api.instance import Instance

    if choices:
        pairs = [(text, f" {choice}") for text in texts for choice in choices]
        return [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    options = {"until": ["\n"], "max_gen_toks": NEW_TOKENS, "do_sample": False}
    return [Instance("generate_until", {}, (text, dict(options)), 0) for text in texts]


def theirs(lm: Any, texts: Sequence[str], choices: Sequence[str]) -> tuple[float, list[Any]]:
    """Seconds and answers of lm-eval's backend."""
    asked = instances(texts, choices)
    started = time.perf_counter()
    run = lm.loglikelihood if choices else lm.generate_until
    found = run(asked, disable_tqdm=True)
    return time.perf_counter() - started, found


def best_batch(lm: Any, texts: Sequence[str], choices: Sequence[str], sizes: Sequence[int]) -> int:
    """The backend's fastest batch size on one or a few items."""
    seconds = {}
    for size in sizes:
        lm.batch_size_per_gpu = size
        seconds[size] = theirs(lm, texts, choices)[0]
    return min(seconds, key=seconds.__getitem__)


def ours(
    engine: HFEngine, lm: Any, texts: Sequence[str], choices: Sequence[str]
) -> tuple[float, list[Any]]:
    """Seconds and answers of the engine."""
    engine.report = EngineReport()
    found: dict[int, Any] = {}
    if choices:
        pairs = [lm._encode_pair(text, f" {choice}") for text in texts for choice in choices]
        scored = [ScoreRequest(tuple(context), tuple(answer)) for context, answer in pairs]
        started = time.perf_counter()
        for call in engine.score(scored):
            found.update({i: (r.loglikelihood, r.greedy) for i, r in call})
    else:
        decoding = Decoding(NEW_TOKENS, ("\n",))
        asked = [GenerateRequest(tuple(lm.tok_encode(text)), decoding) for text in texts]
        started = time.perf_counter()
        for call in engine.generate(asked):
            found.update({i: r.text for i, r in call})
    return time.perf_counter() - started, [found[i] for i in range(len(found))]


def raw_prefill(engine: HFEngine) -> tuple[float, str]:
    """Tokens per second of the model's body at its best shape, and that shape."""
    network = engine._network(None)
    best, shape = 0.0, ""
    for batch, length in ((1, 256), (1, 512), (4, 128), (4, 256), (8, 512), (16, 64)):
        ids = torch.randint(0, network.vocabulary, (batch, length))
        column = torch.tensor([length - 1])
        network.logits(ids[:1], column)
        started = time.perf_counter()
        network.logits(ids, column)
        speed = batch * length / (time.perf_counter() - started)
        if speed > best:
            best, shape = speed, f"{batch} x {length}"
    return best, shape


def measure(name: str, case: Case, engine: HFEngine, lm: Any, items: int, few: int) -> str:
    """One row of the table."""
    texts, choices = prompts(case, items)
    ours(engine, lm, texts[:1], choices)  # probing and first-touch are not measured
    sizes = (1, 8) if choices else (8, 32)
    lm.batch_size_per_gpu = best_batch(lm, texts[: 1 if choices else 8], choices, sizes)
    half = max(1, few // 2)
    speed_before, _ = raw_prefill(engine)
    first, answers = theirs(lm, texts[:half], choices)
    seconds, found = min(
        (ours(engine, lm, texts, choices) for _ in range(2)), key=lambda run: run[0]
    )
    second, more = theirs(lm, texts[half:few], choices)
    speed_after, shape = raw_prefill(engine)
    answers += more
    per_item = (first + second) / few
    ratio = per_item * len(texts) / seconds
    pairs = list(zip(answers, found, strict=False))
    if choices:
        agree = f"{max(abs(a[0] - b[0]) for a, b in pairs):.2g}"
    else:
        agree = f"{sum(a == b for a, b in pairs)} of {len(pairs)} equal"
    report, speed = engine.report, max(speed_before, speed_after)
    bound = (
        f"{seconds / (report.distinct_nodes / speed):.2f}"
        if choices
        else f"{report.tokens_generated / report.seconds_decode:.0f} tok/s decode"
    )
    per_hundred = 100 * seconds / len(texts)
    return (
        f"| {name} | {len(texts)} | {100 * per_item:.1f} s (batch {lm.batch_size_per_gpu}) "
        f"| {per_hundred:.2f} s | {ratio:.1f} | {agree} | {report.tokens_asked} "
        f"| {report.tokens_computed} | {bound} | {speed:.0f} tok/s ({shape}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--baseline-items", type=int, default=4)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--budget", type=int, default=None)
    options = parser.parse_args()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.models.huggingface import HFLM

    engine = HFEngine(options.model, dtype=options.dtype, token_budget=options.budget)
    lm = HFLM(str(options.model), dtype=options.dtype, device="cpu", batch_size=1)
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, {options.dtype}\n")
    print(
        "| case | items | lm-eval, 100 items | engine, 100 items | ratio | largest difference "
        "| asked | computed | time / bound | raw prefill |\n" + "|---" * 10 + "|"
    )
    for name in options.cases.split(","):
        few = options.baseline_items * (1 if CASES[name].labels or CASES[name].choices else 8)
        print(measure(name, CASES[name], engine, lm, options.items, few), flush=True)


if __name__ == "__main__":
    main()
