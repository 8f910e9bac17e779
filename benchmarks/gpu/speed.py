"""Step b: the engine against lm-eval's transformers backend, at two shapes, random weights."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.shapes import CASES, asked, engine_over, made, peak, synchronised
from harness.engines.base import EngineReport
from harness.forecast import footprint

ORDER = ("ddi5", "hoc5", "ner5", "qa5", "ddi0", "qa0")
BATCHES = (8, 32, 64)


def run(result: Any, dry: bool, _: Path | None) -> None:
    """Time, time over the bound by raw prefill, peak memory against what a plan says."""
    window = 96 if dry else 4096
    for shape in ("1.5B", "8B"):
        peak(reset=True)
        model = made(shape, dry, "float32" if dry else "bfloat16")
        engine = engine_over(model, window)
        theirs = _backend(model, engine, window)
        raw = max(_prefill(model, *size) for size in ((8, 16),) * dry or ((4, 512), (8, 1024)))
        result.add(shape=shape, raw_prefill=round(raw))
        for name in ORDER:
            case = CASES[name].small() if dry else CASES[name]
            requests = asked(case, 4 if dry else 64)
            run_once = engine.generate if case.written else engine.score
            for _ in run_once(asked(case, 2, seed=1)):
                pass
            engine.report = EngineReport()
            peak(reset=True)
            seconds, found = _timed(run_once, requests)
            per_item = 4 if case.written else max(case.answers, 1)
            few = requests[: (2 if dry else 8) * per_item]
            best, other = _best(theirs, few, (2,) if dry else BATCHES)
            best *= len(requests) / len(few)
            held = footprint.inference(
                shape_of(model), str(model.dtype).removeprefix("torch."), "",
                cached_tokens=case.shots + len(requests) * (case.document + case.written),
                pass_tokens=engine.token_budget,
            ).total  # fmt: skip
            report = engine.report
            result.add(
                shape=shape, case=name, path=report.path, seconds=seconds, backend_seconds=best,
                backend_batch=other, ratio=best / seconds, tokens_asked=report.tokens_asked,
                tokens_computed=report.tokens_computed, tokens_written=report.tokens_generated,
                over_bound=seconds / (report.distinct_nodes / raw), answers=len(found),
                decode_seconds=report.seconds_decode, peak=peak(), planned=held,
            )  # fmt: skip
        del model, engine, theirs


def _timed(call: Any, requests: Sequence[Any]) -> tuple[float, dict[int, Any]]:
    synchronised()
    began = time.perf_counter()
    found = dict(pair for part in call(requests) for pair in part)
    synchronised()
    return time.perf_counter() - began, found


def _prefill(model: Any, rows: int, length: int) -> float:
    """Tokens a second of the model's body at a batch shape, the best of three."""
    import torch

    ids = torch.randint(4, 100, (rows, length), device=model.device)
    seconds = []
    for _ in range(4):
        synchronised()
        began = time.perf_counter()
        with torch.inference_mode():
            model.base_model(input_ids=ids, use_cache=False)
        synchronised()
        seconds.append(time.perf_counter() - began)
    return rows * length / min(seconds[1:])


def _backend(model: Any, engine: Any, window: int) -> Any:
    from lm_eval.models.huggingface import HFLM

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return HFLM(model, tokenizer=engine.tokens.tokenizer, batch_size=1, max_length=window)


def _best(theirs: Any, requests: Sequence[Any], sizes: Sequence[int]) -> tuple[float, int]:
    """Seconds of the backend at its best batch size, and that size."""
    seconds = {}
    for size in sizes:
        theirs.batch_size_per_gpu = size
        synchronised()
        began = time.perf_counter()
        if hasattr(requests[0], "continuation"):
            theirs._loglikelihood_tokens(
                [(("", ""), list(r.context), list(r.continuation)) for r in requests],
                disable_tqdm=True,
            )
        else:
            _generated(theirs.model, requests, size)
        synchronised()
        seconds[size] = time.perf_counter() - began
    best = min(seconds, key=seconds.__getitem__)
    return seconds[best], best


def _generated(model: Any, requests: Sequence[Any], size: int) -> None:
    """Prompts of one length in batches through the model's own `generate`, as the backend does."""
    import torch

    most = requests[0].decoding.max_tokens
    for start in range(0, len(requests), size):
        ids = torch.tensor([r.prompt for r in requests[start : start + size]], device=model.device)
        with torch.inference_mode():
            model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=most,
                do_sample=False, pad_token_id=0,
            )  # fmt: skip


def shape_of(model: Any) -> footprint.ModelShape:
    """The sizes that a plan goes by."""
    config = model.config
    heads = getattr(config, "num_attention_heads", None) or config.n_heads
    hidden = config.hidden_size
    return footprint.ModelShape(
        parameters=sum(p.numel() for p in model.parameters()),
        layers=config.num_hidden_layers,
        hidden=hidden,
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=getattr(config, "head_dim", None) or hidden // heads,
        vocabulary=config.vocab_size,
        context=getattr(config, "max_position_embeddings", None) or config.max_seq_len,
    )
