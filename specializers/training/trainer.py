"""Trains the adapter: transformers' Trainer runs the steps.

What is ours: the order of examples is fixed beforehand, and a run killed at any
moment goes on from its last whole checkpoint to the very adapter it would have
made.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from harness.engines.heap import give_back_freed_memory
from harness.engines.tokens import HFTokens
from harness.errors import MissingExtra, UserError
from harness.files import write_json, write_jsonl
from harness.types import Json, Progress
from specializers.training.adapter import adapted_modules, save_adapter, with_adapter
from specializers.training.checkpoints import Fitting, mark_whole, newest_sound, remove, step_of
from specializers.training.examples import TrainingExample
from specializers.training.heldout import HeldOut, split
from specializers.training.loss import answer_loss, asked, keeps_logits
from specializers.training.packing import collate, packs_exactly
from specializers.training.params import TrainParams
from specializers.training.targets import EncodedExample, encode, evenly, in_order
from specializers.training.teacher import with_teachers

CURVE = "training.jsonl"


def train_lora(
    folder: Path,
    base_name: str,
    examples: Sequence[TrainingExample],
    out: Path,
    params: TrainParams,
    progress: Progress,
    *,
    trust_remote_code: bool = False,
    placement: Mapping[str, Any] | None = None,
    dtype: str = "",
    processes: int = 1,
) -> Json:
    """Train an adapter over the model in `folder`.

    Written into `out`: `adapter/`; `training.jsonl`, the curve, a line a step with
    {"step", "epoch", "loss" (nats per response token, averaged as `params` says), "learning_rate",
    "gradient_norm", "tokens", "response_tokens", and "held_out_loss" where it was
    measured}; then `training.json`. The last
    checkpoints stay in `checkpoints/` for the caller to remove.

    Args:
        base_name: what the adapter's configuration names as its base.
        out: may hold checkpoints of an interrupted call with the same arguments.
        placement, dtype: see `with_adapter`.
        processes: how many call this at once, each for its share; see `train_in_processes`.
            The first of them writes the files.
    Returns:
        the content of training.json: {"steps", "examples", "tokens",
        "response_tokens", "shortened", "parameters", "dtype", "quantisation",
        "target_modules", "packing"}, "processes" if there were several, and where examples
        were held out "held_out" (how many), "kept_step" and "held_out_loss" (nats per response
        token, of the "base" and of what is "kept").
    Raises:
        MissingExtra: peft, or bitsandbytes for "nf4", is not installed.
        UserError: the loss or a gradient is no number any more; no adapter is written.
    """
    try:
        import peft  # noqa: F401
        import torch  # noqa: F401
        from transformers import set_seed
    except ImportError as error:
        raise MissingExtra("peft", "train", "Training") from error
    tokenizer = HFTokens(folder, trust_remote_code)
    both = [encode(tokenizer, example, params.max_length) for example in examples]
    encoded = [tokens for tokens, _ in both]
    if shortened := sum(cut for _, cut in both):
        progress.say(
            f"training: {shortened} of {len(examples)} examples are longer than "
            f"{params.max_length} tokens and lose the beginning of their input; "
            "--set max_length=N keeps more"
        )
    trained, measured = split(len(examples), params.holdout, params.seed)
    set_seed(params.seed)
    with quiet_libraries():
        model = with_adapter(folder, params, trust_remote_code, placement, dtype)
        if params.top_k:
            encoded = with_teachers(model, tokenizer, examples, encoded, params.top_k)
        most = params.steps * params.batch
        shown = [encoded[n] for n in trained for _ in range(examples[n].times)]
        ordered = in_order(shown, params.epochs, params.seed, most)
        learnt, held_out = ordered, [encoded[n] for n in measured]
        if params.loss_average == "examples":
            learnt, held_out = evenly(ordered, params.batch), evenly(held_out, len(held_out) or 1)
        packed = params.row_tokens > 0 and packs_exactly(model)
        if params.row_tokens and not packed:
            progress.say("this architecture cannot pack examples; each gets a row of its own")
        row_tokens = params.row_tokens if packed else 0
        steps = math.ceil(len(ordered) / params.batch)
        held = HeldOut(model, held_out, params, row_tokens, out / "checkpoints", steps, processes)
        trainer = _trainer(
            model, learnt, out / "checkpoints", params, row_tokens, progress, processes, held
        )
        last = _last_checkpoint(trainer, held, steps, processes, progress)
        begun = step_of(last) if last else 0
        held.begin(begun, writes=trainer.is_world_process_zero())
        progress.start("training", steps, "steps")
        progress.advance(begun)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        progress.finish()
        held.restore()
    seen = ordered[: trainer.state.global_step * params.batch]
    report: Json = {
        "steps": trainer.state.global_step,
        "examples": len(examples),
        "tokens": sum(len(tokens.ids) for tokens in seen),
        "response_tokens": sum(t.response_tokens for t in seen),
        "shortened": shortened,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "quantisation": params.quantisation or "none",
        "target_modules": adapted_modules(model),
        "packing": _packing(params, packed),
        **_held_facts(held, len(measured)),
        **({"processes": processes} if processes > 1 else {}),
    }
    if trainer.is_world_process_zero():
        save_adapter(model, out / "adapter", base_name)
        write_jsonl(
            out / CURVE,
            _curve(trainer.state.log_history, ordered, params.batch, len(shown), held.losses),
        )
        write_json(out / "training.json", report)
    del model, trainer, held
    give_back_freed_memory()
    return report


def _last_checkpoint(
    trainer: Any, held: HeldOut, steps: int, processes: int, progress: Progress
) -> Path | None:
    """The newest checkpoint to go on from; the others of no use are removed."""
    import torch

    fitting = Fitting(trainer, steps, processes)

    def check(checkpoint: Path) -> None:
        fitting.check(checkpoint)
        held.check(step_of(checkpoint))

    last, unfit = newest_sound(Path(trainer.args.output_dir), check)
    if processes > 1:  # all have chosen before any is removed
        torch.distributed.barrier()
    if trainer.is_world_process_zero():
        remove(unfit, last, progress)
    return last


def _held_facts(held: HeldOut, count: int) -> Json:
    """What the held-out loss said: of the base, and of the adapter that is kept."""
    if not count:
        return {}
    losses = held.losses
    return {
        "held_out": count,
        "kept_step": held.best,
        "held_out_loss": {"base": losses[0], "kept": losses[held.best]},
    }


def _packing(params: TrainParams, packed: bool) -> str:
    if packed:
        return f"rows of up to {params.row_tokens} tokens"
    return "off: the architecture mixes packed examples" if params.row_tokens else "off"


def _trainer(
    model: Any,
    ordered: Sequence[EncodedExample],
    folder: Path,
    params: TrainParams,
    row_tokens: int,
    progress: Progress,
    processes: int,
    held: HeldOut,
) -> Any:
    import torch
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    keeps = keeps_logits(model)

    class Answers(Trainer):  # type: ignore[misc]
        """Computes logits where there is a loss alone."""

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any
        ) -> Any:
            arguments, expected = asked(inputs, keeps)
            return super().compute_loss(
                model, {**arguments, "labels": expected}, return_outputs, **more
            )

    class Reporter(TrainerCallback):  # type: ignore[misc]
        """Moves the bar, and marks a checkpoint once all of it is written."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            progress.advance(1)
            if held.measure(state.global_step):
                progress.say(
                    f"training: the loss on held-out examples no longer falls; step {held.best} "
                    f"of {state.max_steps} is kept"
                )
                control.should_training_stop = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            for name in ("loss", "grad_norm"):
                value = (logs or {}).get(name)
                if value is not None and not math.isfinite(value):
                    raise UserError(
                        f"training: at step {state.global_step} of {state.max_steps} the {name} is "
                        f"{value}; expected a number. No adapter is written. Train with a lower "
                        "--set learning_rate=..., or look for broken weights of the base."
                    )

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if processes > 1:  # each has written its own part of it
                torch.distributed.barrier()
            if state.is_world_process_zero:
                mark_whole(folder / f"checkpoint-{state.global_step}")

    micro = _micro_batch(params, processes)
    gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,  # `ordered` holds all epochs
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=params.batch // (micro * processes),
        train_sampling_strategy="sequential",
        learning_rate=params.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(
            params.schedule, params.schedule
        ),
        # The first step of a warm-up has rate 0: one as long as the run would train nothing.
        warmup_steps=min(params.warmup_steps, len(ordered) // params.batch // 2),
        weight_decay=0.0,
        optim="adamw_torch",
        seed=params.seed,
        use_cpu=not gpu,
        bf16=gpu and torch.cuda.is_bf16_supported(),
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is no number is told, not shown as 0
        save_steps=params.checkpoint_steps,
        # The one before stays until the new one is marked whole.
        save_total_limit=2,
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
        dataloader_pin_memory=gpu,
        ddp_backend=None if gpu or processes == 1 else "gloo",
        ddp_find_unused_parameters=False if processes > 1 else None,
    )
    trainer = Answers(
        model=model,
        args=arguments,
        train_dataset=_shareable(ordered, micro, processes),
        data_collator=partial(collate, row_tokens=row_tokens),
        compute_loss_func=answer_loss,
        callbacks=[Reporter()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _micro_batch(params: TrainParams, processes: int) -> int:
    """Examples in one process's forward pass: the most that make a batch of whole rounds."""
    micro = min(params.micro_batch, params.batch // processes)
    while params.batch % (micro * processes):
        micro -= 1
    return micro


def _shareable(
    ordered: Sequence[EncodedExample], micro: int, processes: int
) -> list[EncodedExample]:
    """The examples, filled up for the last round of forward passes of all processes.

    A filler is one token without a label: it adds nothing to the loss or to its divisor,
    where accelerate would take examples from the beginning a second time.
    """
    missing = -len(ordered) % (micro * processes) if processes > 1 else 0
    return [*ordered, *[EncodedExample(ordered[0].ids[:1], 1)] * missing]


def _curve(
    history: Sequence[Json],
    ordered: Sequence[EncodedExample],
    batch: int,
    shown: int,
    held: Mapping[int, float],
) -> Iterator[Json]:
    """The lines of training.jsonl; `shown`: how many examples one epoch shows."""
    for row in history:
        if "loss" not in row:
            continue
        step = row["step"]
        seen = ordered[(step - 1) * batch : step * batch]
        yield {
            "step": step,
            "epoch": round(min(step * batch, len(ordered)) / shown, 4),
            "loss": row["loss"],
            "learning_rate": row["learning_rate"],
            "gradient_norm": row.get("grad_norm"),
            "tokens": sum(len(tokens.ids) for tokens in seen),
            "response_tokens": sum(t.response_tokens for t in seen),
            **({"held_out_loss": held[step]} if step in held else {}),
        }


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence transformers' own bars and advice; errors still come through."""
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    accelerate = logging.getLogger("accelerate")
    accelerate_before = accelerate.level
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    accelerate.setLevel(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        accelerate.setLevel(accelerate_before)
        if bars:
            transformers_logging.enable_progress_bar()
