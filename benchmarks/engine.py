"""The prefix engine against lm-eval's transformers backend, and against the machine's bound.

    python -m benchmarks.engine MODEL_FOLDER [--cases hoc5,ddi5,...] [--items 100]
                                [--dtype float32] [--baseline-items 4]
                                [--clock processor] [--scaling ddi0]

One process, both engines on the same requests in turns, real text: the data
sets under BENCH_DATA, else the built-in miniature suite. The backend's time
grows with the items and nothing else (it shares nothing between them), so it is
measured on `--baseline-items` of them at its best batch size, half before and
half after the engine's run, and compared per item.

The bound is the engine's distinct nodes at the model's raw prefill speed: its body
over whole rows in its best batch shape, without LM head. The machine's speed changes
while the engine runs, so the shape is chosen first and then one raw pass of it is made
between every two passes of the engine, untimed for the engine: both speeds are means
over the same stretch of time. (The best of a few raw passes against the engine's mean
would charge the engine for every disturbance.) The second bound adds the LM head at
the distinct nodes that predict an answer's token, which no program can leave out.

Prints one Markdown row per case: seconds per 100 items, ratio, largest score
difference (or equal answers), tokens asked and computed, time over both bounds,
and the share of the time that planning alone takes (made again without the model).
`--baseline-items 0` leaves the backend out.
"Beyond the body" counts what the bound leaves out and no program can: the products of
attention to each node's own past and of the LM head, as a share of the body's.
`--scaling CASE` asks that case's question, without shots, of 100, 200, 400 and 800
texts of three data sets instead, the engine alone. On a shared machine take
OMP_NUM_THREADS=1 and `--clock processor`.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.options import options_of
from harness.doors.files import read_jsonl
from harness.engines.base import EngineReport, GenerateRequest, ScoreRequest
from harness.engines.hf.engine import HFEngine
from harness.engines.prefix import Forest, flatten, plan_packed
from harness.types import Decoding

MINI = Path(__file__).parents[1] / "tasks" / "biomed_mini" / "data"
NEW_TOKENS = 64
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
SCALES = (100, 200, 400, 800)


@dataclass(frozen=True)
class Case:
    """What is asked of a data set: `choices` are scored, without them text is generated.

    Choices are also its labels, or the answers of its first `borrowed` training rows.
    """

    dataset: str
    mini: str
    shots: int
    instruction: str
    choices: tuple[str, ...] = ()
    labels: bool = False
    borrowed: int = 0


CASES = {
    "hoc5": Case("hoc", "mini_hallmarks", 5, "Name the hallmark of cancer.", labels=True),
    "hoc0": Case("hoc", "mini_hallmarks", 0, "Name the hallmark of cancer.", labels=True),
    "ddi5": Case("ddi2013", "mini_relation", 5, "Do the drugs interact?", ("true", "false")),
    "ddi0": Case("ddi2013", "mini_relation", 0, "Do the drugs interact?", ("true", "false")),
    "qa5": Case("pubmedqa_ynm", "mini_yesno", 5, "Answer.", ("yes", "no", "maybe")),
    "qa0": Case("pubmedqa_ynm", "mini_yesno", 0, "Answer.", ("yes", "no", "maybe")),
    "long0": Case("pubmedqa_long", "mini_long", 0, "Answer.", borrowed=4),
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
    choices += tuple(written(row) for row in train[: case.borrowed])
    return [f"{start}{row['input']}\nAnswer:" for row in test], choices


def instances(texts: Sequence[str], choices: Sequence[str]) -> list[Any]:
    from lm_eval.api.instance import Instance

    if choices:
        pairs = [(text, f" {choice}") for text in texts for choice in choices]
        return [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    options = {"until": ["\n"], "max_gen_toks": NEW_TOKENS, "do_sample": False}
    return [Instance("generate_until", {}, (text, dict(options)), 0) for text in texts]


def requests(lm: Any, texts: Sequence[str], choices: Sequence[str]) -> list[Any]:
    """The same requests for the engine, in lm-eval's tokens."""
    if not choices:
        decoding = Decoding(NEW_TOKENS, ("\n",))
        return [GenerateRequest(tuple(lm.tok_encode(text)), decoding) for text in texts]
    pairs = [lm._encode_pair(text, f" {choice}") for text in texts for choice in choices]
    return [ScoreRequest(tuple(context), tuple(answer)) for context, answer in pairs]


@dataclass(frozen=True)
class Bench:
    """Both engines, and the clock they are timed by."""

    engine: HFEngine
    lm: Any
    now: Callable[[], float]

    def theirs(self, texts: Sequence[str], choices: Sequence[str]) -> tuple[float, list[Any]]:
        """Seconds and answers of lm-eval's backend."""
        asked = instances(texts, choices)
        started = self.now()
        run = self.lm.loglikelihood if choices else self.lm.generate_until
        found = run(asked, disable_tqdm=True)
        return self.now() - started, found

    def best_batch(self, texts: Sequence[str], choices: Sequence[str], sizes: Sequence[int]) -> int:
        """The backend's fastest batch size on one or a few items."""
        seconds = {}
        for size in sizes:
            self.lm.batch_size_per_gpu = size
            seconds[size] = self.theirs(texts, choices)[0]
        return min(seconds, key=seconds.__getitem__)

    def ours(
        self,
        texts: Sequence[str],
        choices: Sequence[str],
        between: Callable[[], None] = lambda: None,
    ) -> tuple[float, list[Any]]:
        """Seconds and answers of the engine; `between` its calls, and not timed."""
        self.engine.report = EngineReport()
        found: dict[int, Any] = {}
        asked = requests(self.lm, texts, choices)
        calls = self.engine.score(asked) if choices else self.engine.generate(asked)
        seconds, started = 0.0, self.now()
        for call in calls:
            for i, response in call:
                scored = (response.loglikelihood, response.greedy)
                found[i] = scored if choices else response.text
            seconds += self.now() - started
            between()
            started = self.now()
        return seconds + self.now() - started, [found[i] for i in range(len(found))]

    def planning(self, asked: Sequence[ScoreRequest]) -> tuple[float, int, float]:
        """What there is to do, without doing it.

        Returns:
            seconds that forest, plan and lay-out take; nodes that predict a token asked for;
            products of attention and LM head as a share of the body's.
        """
        started = self.now()
        forest = Forest((r.context + r.continuation)[:-1] for r in asked)
        answers = np.array([len(asked[i].continuation) for i in forest.order.tolist()])
        first = forest.length - answers
        flats = [
            (step.depth, flatten(forest, step, first))
            for step in plan_packed(forest, self.engine.token_budget)
        ]
        seconds = self.now() - started
        read = sum(
            len({int(place) for _, _, places in flat.reads for place in places})
            for _, flat in flats
        )
        past = sum(len(flat.tokens) * depth + int(flat.visible.sum()) for depth, flat in flats)
        model = self.engine._network(None).model
        config, head = model.config, model.get_output_embeddings().weight.numel()
        width = config.num_attention_heads * (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        # Two products of `width` for each node and one of its past, in every layer.
        attention = 2 * past * width * config.num_hidden_layers
        body = sum(p.numel() for p in model.parameters() if p.dim() > 1) - head
        return seconds, read, (attention + read * head) / (forest.nodes * body)

    def prefill(self, batch: int, length: int) -> Callable[[], float]:
        """A raw pass of the model's body (the LM head at one place), which says its seconds."""
        network = self.engine._network(None)
        ids = torch.randint(0, network.vocabulary, (batch, length))
        column = torch.tensor([length - 1])

        def run() -> float:
            started = self.now()
            network.logits(ids, column)
            return self.now() - started

        return run

    def best_shape(self, shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """The shape of the highest speed in three rounds over all of them."""
        runs = {shape: self.prefill(*shape) for shape in shapes}
        seconds = {shape: min(run() for _ in range(3)) for shape, run in runs.items()}
        return max(shapes, key=lambda shape: shape[0] * shape[1] / seconds[shape])

    def head(self) -> float:
        """Seconds of the LM head, and of reading its logits, for one token."""
        network = self.engine._network(None)
        head = network.model.get_output_embeddings()
        states = torch.randn(READ, head.weight.shape[1], dtype=head.weight.dtype)
        rows, seconds = list(range(READ)), []
        for _ in range(4):
            started = self.now()
            with torch.inference_mode():
                network.read(head(states), rows, rows)
            seconds.append(self.now() - started)
        return sum(seconds[1:]) / (len(seconds) - 1) / READ


# Nodes the LM head is timed with: about what a pass of long answers asks for.
READ = 256
PREFILL = ((1, 256), (1, 512), (4, 64), (4, 128), (8, 64), (8, 128))
DECODE = ((32, 1), (64, 1))


def measure(name: str, case: Case, bench: Bench, items: int, few: int) -> str:
    """One row of the table."""
    texts, choices = prompts(case, items)
    bench.ours(texts[:1], choices)  # probing and first-touch are not measured
    batch, first, second = 0, 0.0, 0.0
    answers: list[Any] = []
    half = max(1, few // 2)
    if few:
        sizes = (1, 8) if choices else (8, 32)
        batch = bench.best_batch(texts[: 1 if choices else 8], choices, sizes)
        bench.lm.batch_size_per_gpu = batch
        first, answers = bench.theirs(texts[:half], choices)
    shape = bench.best_shape(PREFILL)
    run = bench.prefill(*shape)
    raw = [run()]
    seconds, found = bench.ours(texts, choices, lambda: raw.append(run()))
    if few:
        second, more = bench.theirs(texts[half:few], choices)
        answers += more
    per_item = (first + second) / max(1, few)
    pairs = list(zip(answers, found, strict=False))
    report, speed = bench.engine.report, shape[0] * shape[1] * len(raw) / sum(raw)
    bound = report.distinct_nodes / speed
    if choices:
        agree = f"{max((abs(a[0] - b[0]) for a, b in pairs), default=0):.2g}"
        planning, read, beyond = bench.planning(requests(bench.lm, texts, choices))
        bounds = f"{seconds / bound:.2f} | {seconds / (bound + read * bench.head()):.2f}"
        bounds += f" | {100 * beyond:.0f} %"
        share = f"{100 * planning / seconds:.1f} %"
    else:
        agree = f"{sum(a == b for a, b in pairs)} of {len(pairs)} equal"
        decode = max(batch * length / bench.prefill(batch, length)() for batch, length in DECODE)
        bounds = f"{seconds / (bound + report.tokens_generated / decode):.2f} | | "
        share = ""
    return (
        f"| {name} | {len(texts)} | {100 * per_item:.1f} s (batch {batch}) "
        f"| {100 * seconds / len(texts):.2f} s | {per_item * len(texts) / seconds:.1f} | {agree} "
        f"| {report.tokens_asked} | {report.tokens_computed} | {report.tokens_generated} "
        f"| {bounds} | {share} | {speed:.0f} tok/s ({shape[0]} x {shape[1]}) |"
    )


def mixed(case: Case, items: int) -> tuple[list[str], tuple[str, ...]]:
    """The case's question over texts of three data sets in turns: none alone has 800."""
    sets = [
        [row["input"] for row in rows(CASES[name], "test")] for name in ("ddi0", "hoc0", "ner0")
    ]
    texts = [text for turn in zip(*sets, strict=False) for text in turn]
    return [f"{case.instruction}\n\n{text}\nAnswer:" for text in texts[:items]], case.choices


def scaling(name: str, case: Case, bench: Bench) -> None:
    """The engine's time over growing numbers of items."""
    print("| case | items | distinct nodes | engine | items a second | nodes a second |")
    print("|---" * 6 + "|")
    texts, choices = mixed(case, max(SCALES))
    bench.ours(texts[:1], choices)
    for items in sorted({min(size, len(texts)) for size in SCALES}):
        seconds, _ = bench.ours(texts[:items], choices)
        nodes = bench.engine.report.distinct_nodes
        print(
            f"| {name} | {items} | {nodes} | {seconds:.1f} s "
            f"| {items / seconds:.2f} | {nodes / seconds:.0f} |",
            flush=True,
        )


def main() -> None:
    options = options_of(
        __doc__, "model", cases=",".join(CASES), items=100, baseline_items=4, dtype="float32",
        budget=0, clock=tuple(CLOCKS), scaling=("", "ddi0", "qa0"),
    )  # fmt: skip
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.models.huggingface import HFLM

    bench = Bench(
        HFEngine(options.model, dtype=options.dtype, token_budget=options.budget),
        HFLM(str(options.model), dtype=options.dtype, device="cpu", batch_size=1),
        CLOCKS[options.clock],
    )
    threads = torch.get_num_threads()
    print(f"{platform.machine()}, {threads} threads, {options.dtype}, {options.clock} time\n")
    if options.scaling:
        scaling(options.scaling, CASES[options.scaling], bench)
        return
    print(
        "| case | items | lm-eval, 100 items | engine, 100 items | ratio | largest difference "
        "| asked | computed | generated | time / bound | and LM head | beyond the body | planning "
        "| raw prefill |\n" + "|---" * 14 + "|"
    )
    for name in options.cases.split(","):
        case = CASES[name]
        few = options.baseline_items * (1 if case.labels or case.choices else 8)
        print(measure(name, case, bench, options.items, few), flush=True)


if __name__ == "__main__":
    main()
