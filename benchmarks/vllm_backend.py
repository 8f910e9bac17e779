"""The vLLM engine against lm-eval's own vLLM backend, in vLLM's environment.

    .venv-vllm/bin/python -m benchmarks.vllm_backend MODEL_FOLDER
        [--cases ddi5,hoc5,ner5] [--items 60] [--dtype bfloat16] [--adapter FOLDER]

One process, the same requests and the same vLLM options, the two programs one
after the other (each has processes of its own, and an idle one would still
cost): single-token answers (ddi5), multi-token answers (hoc5), generation
(ner5). Starting vLLM is not measured, and its prefix cache is emptied before
each case. Prints a Markdown row per case: seconds, ratio, largest score
difference (or equal answers), tokens asked and computed. What the order of
requests is worth is measured in vllm_order.py.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.engine import CASES, instances, prompts, requests
from benchmarks.options import options_of
from harness.engines.base import EngineReport
from harness.engines.vllm.engine import VLLMEngine
from harness.engines.vllm.process import vllm_version

# What both get.
SHARED = {
    "block_size": 32, "enforce_eager": True, "enable_prefix_caching": True,
    "kv_cache_memory_bytes": 2**30, "max_num_seqs": 64, "max_num_batched_tokens": 512,
}  # fmt: skip
LONGEST = 4096


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = act()
    return time.perf_counter() - began, found


def ours(engine: VLLMEngine, asked: list[Any], adapter: Path | None) -> list[Any]:
    """Answers of the engine: (log-likelihood, greedy) or text."""
    scored = hasattr(asked[0], "continuation")
    found: dict[int, Any] = {}
    for call in (engine.score if scored else engine.generate)(asked, adapter):
        found.update({i: (r.loglikelihood, r.greedy) if scored else r.text for i, r in call})
    return [found[i] for i in range(len(asked))]


def main() -> None:
    options = options_of(
        __doc__, "model", cases="ddi5,hoc5,ner5", items=60, dtype="float32", adapter=None
    )
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    names = options.cases.split(",")
    texts = {name: prompts(CASES[name], options.items) for name in names}

    # Room for adapters costs every step on a CPU, so neither has it without one.
    lora = {"enable_lora": options.adapter is not None}
    engine = VLLMEngine(
        options.model, dtype=options.dtype, max_length=LONGEST - 1, **SHARED, **lora
    )
    encoder = Encoder(engine)
    mine: dict[str, tuple[float, list[Any], EngineReport]] = {}
    for name in names:
        asked = requests(encoder, *texts[name])
        ours(engine, asked[:1], options.adapter)
        engine._process._engine.reset_prefix_cache()
        engine.report = EngineReport()
        seconds, found = timed(lambda asked=asked: ours(engine, asked, options.adapter))
        mine[name] = (seconds, found, engine.report)
    engine.release()

    lm = their_backend(options)
    print(f"vLLM {vllm_version()}, {options.dtype}, {options.items} items\n")
    print(
        "| case | lm-eval's vLLM | engine | ratio | largest difference | asked | computed |\n"
        + "|---" * 7
        + "|"
    )
    for name in names:
        choices = texts[name][1]
        run = lm.loglikelihood if choices else lm.generate_until
        run(instances(texts[name][0][:1], choices), disable_tqdm=True)
        lm.model.reset_prefix_cache()
        asked = instances(*texts[name])
        seconds, theirs = timed(lambda run=run, asked=asked: run(asked, disable_tqdm=True))
        own, found, report = mine[name]
        if choices:
            worst = max(abs(a[0] - b[0]) for a, b in zip(theirs, found, strict=True))
            flags = sum(bool(a[1]) != bool(b[1]) for a, b in zip(theirs, found, strict=True))
            agree = f"{worst:.2g}, {flags} greedy flags"
        else:
            agree = f"{sum(a == b for a, b in zip(theirs, found, strict=True))} of {len(found)}"
        print(
            f"| {name} | {seconds:.1f} s | {own:.1f} s | {seconds / own:.2f} | {agree} "
            f"| {report.tokens_asked} | {report.tokens_computed} |",
            flush=True,
        )


class Encoder:
    """lm-eval's way from texts to tokens, over the engine's tokenizer."""

    def __init__(self, engine: VLLMEngine) -> None:
        from lm_eval.api.model import TemplateLM

        class Model(TemplateLM):
            eot_token_id = prefix_token_id = engine.tokens.prefix_id
            loglikelihood_rolling = generate_until = None

            def tok_encode(self, string: str, add_special_tokens: Any = None) -> list[int]:
                return engine.tokens.encode(string, add_special_tokens)

            def _loglikelihood_tokens(self, requests: Any, **_: Any) -> Any:
                raise NotImplementedError

        model = Model()
        self._encode_pair, self.tok_encode = model._encode_pair, model.tok_encode


def their_backend(options: argparse.Namespace) -> Any:
    """lm-eval's backend, which looks for the distribution "vllm" also where the CPU build is."""
    look_up = importlib.metadata.version
    importlib.metadata.version = lambda name: vllm_version() if name == "vllm" else look_up(name)
    from lm_eval.models.vllm_causallms import VLLM

    return VLLM(
        pretrained=str(options.model),
        dtype=options.dtype,
        max_model_len=LONGEST,
        batch_size="auto",
        lora_local_path=str(options.adapter) if options.adapter else None,
        disable_log_stats=True,
        **SHARED,
    )


if __name__ == "__main__":
    main()
