"""Step c: MPT-30B's own shape with random weights: bfloat16, then 4 bits and QLoRA."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.shapes import CASES, Case, asked, device, engine_over, made, peak, synchronised
from benchmarks.gpu.speed import shape_of
from harness.engines.base import EngineReport
from harness.forecast import footprint

TASKS = ("ner5", "ner5", "ner5", "ddi0", "qa0", "qa0", "hoc5", "ddi5", "ner5", "qa0")
# What QLoRA of selfspec's paper budget takes at a time (specializers/selfspec/budgets.py).
ROW_TOKENS, RANK = 2048, 8


def run(result: Any, dry: bool, _: Path | None) -> None:
    """The whole of a run of ten tasks, then the same weights in 4 bits, then three steps."""
    _bfloat16(result, dry)
    _gradients(result)
    _nf4(result, dry)


def _bfloat16(result: Any, dry: bool) -> None:
    window = 96 if dry else 4096
    peak(reset=True)
    synchronised()
    began = time.perf_counter()
    model = made("30B", dry, "float32" if dry else "bfloat16")
    synchronised()
    result.add(
        what="weights made", seconds=time.perf_counter() - began, peak=peak(),
        parameters=sum(p.numel() for p in model.parameters()),
    )  # fmt: skip
    shape, engine = shape_of(model), engine_over(model, window)
    dtype = str(model.dtype).removeprefix("torch.")
    # Generation of all ten tasks together, scoring of those that rank, two items each.
    cases = [CASES[name].small() if dry else CASES[name] for name in TASKS]
    written = [r for n, case in enumerate(cases) for r in asked(_written(case, dry), 2, seed=n)]
    ranked = [r for n, case in enumerate(cases) if case.answers for r in asked(case, 2, seed=n)]
    for what, call, requests in (
        ("generated", engine.generate, written),
        ("scored", engine.score, ranked),
    ):
        engine.report = EngineReport()
        peak(reset=True)
        synchronised()
        began = time.perf_counter()
        for _ in call(requests):
            pass
        synchronised()
        report = engine.report
        tokens = sum(len(getattr(r, "prompt", ())) or len(r.context) for r in requests)
        held = footprint.inference(
            shape, dtype, "", cached_tokens=tokens, pass_tokens=engine.token_budget
        )
        result.add(
            what=what, requests=len(requests), seconds=time.perf_counter() - began,
            path=report.path, computed=report.tokens_computed, distinct=report.distinct_nodes,
            written=report.tokens_generated, prefill_seconds=report.seconds_prefill,
            decode_seconds=report.seconds_decode, peak=peak(), planned=held.total,
        )  # fmt: skip


def _written(case: Case, dry: bool) -> Case:
    return Case(case.shots, case.document, written=4 if dry else 48)


def in_four_bits(model: Any) -> Any:
    """The model with its linear layers in NF4, one after the other, the head left whole."""
    import bitsandbytes as bnb
    import torch

    for name, module in list(model.named_modules()):
        if not isinstance(module, torch.nn.Linear) or name.endswith("lm_head"):
            continue
        new = bnb.nn.Linear4bit(
            module.in_features, module.out_features, bias=module.bias is not None,
            compute_dtype=module.weight.dtype, quant_type="nf4", compress_statistics=True,
            device="meta",
        )  # fmt: skip
        new.weight = bnb.nn.Params4bit(
            module.weight.detach().cpu(), requires_grad=False, quant_type="nf4",
            compress_statistics=True,
        )  # fmt: skip
        if module.bias is not None:
            new.bias = module.bias
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, new.to(device()))
        new.support_avx512bf16_for_cpu = False  # or an inference would spoil the gradients
    return model


def _nf4(result: Any, dry: bool) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    model = made("30B", dry, "float32" if dry else "bfloat16")
    shape = shape_of(model)
    began = time.perf_counter()
    model = in_four_bits(model)
    synchronised()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    peak(reset=True)
    planned = footprint.weights(shape, "float32" if dry else "bfloat16", "nf4")
    seconds = time.perf_counter() - began
    result.add(what="nf4 made", seconds=seconds, held=peak(), planned=planned)
    engine = engine_over(model, 96 if dry else 2048)
    began = time.perf_counter()
    requests = asked(_written(CASES["ner5"].small() if dry else CASES["ner5"], dry), 4)
    found = dict(pair for call in engine.generate(requests) for pair in call)
    synchronised()
    result.add(
        what="nf4 generated", requests=len(found), seconds=time.perf_counter() - began,
        written=engine.report.tokens_generated, path=engine.report.path, peak=peak(),
    )  # fmt: skip
    model.train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    tuned = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=16, target_modules="all-linear"))
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=3e-4)
    tokens = 64 if dry else ROW_TOKENS
    peak(reset=True)
    for number in range(3):
        ids = torch.randint(4, 100, (1, tokens), device=model.device)
        synchronised()
        began = time.perf_counter()
        loss = tuned(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        synchronised()
        planned = footprint.training(
            shape, "bfloat16", "nf4", rank=RANK, row_tokens=tokens, checkpointing=True
        )
        result.add(
            what="qlora step", number=number, tokens=tokens, loss=float(loss.detach()),
            seconds=time.perf_counter() - began, peak=peak(), planned=planned.total,
        )  # fmt: skip


def _gradients(result: Any) -> None:
    """Gradients through NF4 weights against those through the same weights, dequantised."""
    import bitsandbytes as bnb
    import torch
    from peft import LoraConfig, get_peft_model

    found = []
    for whole in (False, True):
        model = in_four_bits(made("8B", dry=True, dtype="float32"))
        if whole:
            for name, module in list(model.named_modules()):
                if isinstance(module, bnb.nn.Linear4bit):
                    weight = bnb.functional.dequantize_4bit(
                        module.weight.data, module.weight.quant_state
                    )
                    plain = torch.nn.Linear(module.in_features, module.out_features, bias=False)
                    plain.weight = torch.nn.Parameter(weight.float(), requires_grad=False)
                    parent, _, child = name.rpartition(".")
                    setattr(model.get_submodule(parent), child, plain)
        torch.manual_seed(1)
        tuned = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
        ids = torch.arange(4, 44, device=model.device)[None]
        tuned(input_ids=ids, labels=ids).loss.backward()
        found.append(torch.cat([p.grad.flatten() for p in tuned.parameters() if p.requires_grad]))
    cosine = torch.nn.functional.cosine_similarity(*found, dim=0)
    result.add(what="nf4 gradients against dequantised", cosine=float(cosine))
