"""LoRA and QLoRA on a base model, for every specializer that trains.

peft adds the adapter, transformers' Trainer runs the steps. What is ours: the
loss falls on the response alone, by position (in several models the padding
token is the end token, so masking by id would hide the end from the loss);
the order of examples is fixed beforehand; and a run killed at any moment goes
on from its last whole checkpoint to the very adapter it would have made.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import MissingExtra
from harness.files import write_json, write_text
from harness.types import Json, Progress
from specializers.training_data import TrainingExample

IGNORED = -100  # the label that torch's cross-entropy leaves out
WHOLE = "whole"  # the file that marks a checkpoint as written to its end


@dataclass(frozen=True)
class TrainParams:
    """How to train. Steps count optimizer updates of `batch` examples.

    target_modules: "all-linear" or names with commas between them.
    schedule: "constant", "linear" or "cosine", after `warmup_steps`, at most half of the run.
    micro_batch: examples in one forward pass; gradients add up to `batch`.
    max_length: tokens; what is longer loses the beginning of its prompt.
    quantisation: "" or "nf4" (the frozen base in 4 bits: QLoRA).
    """

    seed: int
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    target_modules: str
    learning_rate: float
    warmup_steps: int
    schedule: str
    epochs: int
    batch: int
    micro_batch: int
    max_length: int
    quantisation: str
    gradient_checkpointing: bool
    checkpoint_steps: int


@dataclass(frozen=True)
class Tokens:
    """Token ids of one example; the loss is on `ids[response_start:]`."""

    ids: tuple[int, ...]
    response_start: int


def train_lora(
    folder: Path,
    base_name: str,
    examples: Sequence[TrainingExample],
    out: Path,
    params: TrainParams,
    progress: Progress,
    *,
    trust_remote_code: bool = False,
) -> Json:
    """Train an adapter over the model in `folder`; write `out/adapter` and `out/training.json`.

    Args:
        base_name: what the adapter's configuration names as its base.
        out: may hold checkpoints of an interrupted call with the same arguments.
    Returns:
        the content of training.json: {"curve": [{"step", "epoch", "loss",
        "learning_rate", "gradient_norm"}], "steps", "examples", "tokens",
        "response_tokens", "shortened", "parameters"}.
    Raises:
        MissingExtra: peft, or bitsandbytes for "nf4", is not installed.
    """
    try:
        import peft  # noqa: F401
        import torch
        from transformers import AutoTokenizer, set_seed
    except ImportError as error:
        raise MissingExtra("peft", "train", "Training") from error
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    encoded = [encode(tokenizer, example, params.max_length) for example in examples]
    ordered = in_order([tokens for tokens, _ in encoded], params.epochs, params.seed)
    set_seed(params.seed)
    with quiet_libraries():
        model = with_adapter(folder, params, trust_remote_code)
        trainer = _trainer(model, ordered, out / "checkpoints", params, progress)
        last = _last_whole_checkpoint(out / "checkpoints")
        steps = math.ceil(len(ordered) / params.batch)
        progress.start("training", steps, "steps")
        if last:
            progress.advance(int(last.name.rpartition("-")[2]))
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        progress.finish()
    _save_adapter(model, out / "adapter", base_name)
    history = trainer.state.log_history
    report = {
        "curve": [_point(row, params.epochs / steps) for row in history if "loss" in row],
        "steps": trainer.state.global_step,
        "examples": len(examples),
        "tokens": sum(len(tokens.ids) for tokens in ordered),
        "response_tokens": sum(len(t.ids) - t.response_start for t in ordered),
        "shortened": sum(shortened for _, shortened in encoded),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
    }
    write_json(out / "training.json", report)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    del model, trainer
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return report


def encode(tokenizer: Any, example: TrainingExample, max_length: int) -> tuple[Tokens, bool]:
    """Token ids of prompt, response and end; and whether anything was cut to `max_length`.

    Prompt and response are encoded apart, since at inference the model is
    given the prompt's tokens and goes on from there. The prompt loses its
    beginning first, as an engine would cut it; then the response its end.
    """
    end = tokenizer.eos_token_id
    if example.chat:
        text, closing = _chat_turns(tokenizer, example)
        prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
        answer = tokenizer(closing, add_special_tokens=False)["input_ids"]
    else:
        prompt = tokenizer(example.prompt)["input_ids"]
        if len(prompt) > 1 and prompt[-1] == end:
            prompt = prompt[:-1]
        answer = tokenizer(example.response, add_special_tokens=False)["input_ids"] + [end]
    # The first token is never predicted, so a prompt has at least one.
    prompt = prompt or [end]
    answer_room = max(1, max_length - 1)
    kept_answer = answer[:answer_room]
    kept_prompt = prompt[-max(1, max_length - len(kept_answer)) :]
    cut = len(kept_answer) + len(kept_prompt) < len(answer) + len(prompt)
    return Tokens((*kept_prompt, *kept_answer), len(kept_prompt)), cut


def _chat_turns(tokenizer: Any, example: TrainingExample) -> tuple[str, str]:
    """The user's turn as the model gets it, and the answer with the template's end of turn."""
    user = {"role": "user", "content": example.prompt}
    asked = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    turns = [user, {"role": "assistant", "content": example.response}]
    both = tokenizer.apply_chat_template(turns, tokenize=False)
    end = tokenizer.eos_token
    if not both.startswith(asked):
        return asked, example.response + end
    # Templates put a line break after the end of the turn; nobody reads it any more.
    closing = both[len(asked) :].rstrip()
    return asked, closing if closing != example.response.rstrip() else closing + end


def in_order(examples: Sequence[Tokens], epochs: int, seed: int) -> list[Tokens]:
    """All epochs in a row, each shuffled on its own: the order the trainer follows."""
    rng = random.Random(seed)
    ordered: list[Tokens] = []
    for _ in range(epochs):
        epoch = list(examples)
        rng.shuffle(epoch)
        ordered += epoch
    return ordered


def collate(batch: Sequence[Tokens]) -> dict[str, Any]:
    """Pad on the right; padding and prompt carry no label."""
    import torch

    width = max(len(tokens.ids) for tokens in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, tokens in enumerate(batch):
        length = len(tokens.ids)
        ids[row, :length] = torch.tensor(tokens.ids)
        mask[row, :length] = 1
        labels[row, tokens.response_start : length] = ids[row, tokens.response_start : length]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def response_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Cross-entropy in nats per response token, over a whole batch of micro-batches.

    Dividing by the batch's count rather than the micro-batch's makes the
    result independent of `micro_batch`, for every architecture.
    """
    import torch

    targets = labels[:, 1:]
    asked = targets != IGNORED
    logits = outputs.logits[:, :-1][asked].float()
    total = torch.nn.functional.cross_entropy(logits, targets[asked], reduction="sum")
    return total / (asked.sum() if num_items_in_batch is None else num_items_in_batch)


def with_adapter(folder: Path, params: TrainParams, trust_remote_code: bool = False) -> Any:
    """The base model, frozen and if asked for in 4 bits, under a fresh LoRA adapter."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if gpu and torch.cuda.is_bf16_supported() else torch.float32
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        device_map={"": 0} if gpu else None,
        quantization_config=_nf4(dtype) if params.quantisation == "nf4" else None,
        trust_remote_code=trust_remote_code,
    )
    if params.quantisation == "nf4":
        keep_true_gradients(model)
        # Makes the layers that stay unquantised fp32.
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if params.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        # The embeddings are frozen, and a checkpointed block needs an input with a gradient.
        model.enable_input_require_grads()
    names = params.target_modules
    config = peft.LoraConfig(
        r=params.lora_rank,
        lora_alpha=params.lora_alpha,
        lora_dropout=params.lora_dropout,
        target_modules=names if names == "all-linear" else names.split(","),
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, config)


def _nf4(dtype: Any) -> Any:
    """4-bit NormalFloat with double quantisation. Source: Dettmers et al. 2023 (QLoRA)."""
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise MissingExtra("bitsandbytes", "train", "Training in 4 bits (nf4)") from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def keep_true_gradients(model: Any) -> None:
    """Forbid bitsandbytes to repack 4-bit weights on a CPU.

    A forward pass in eval mode repacks them for AVX512-BF16; a later training
    pass reads them as if they were not, and its gradients are wrong.
    """
    import bitsandbytes

    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _trainer(
    model: Any, ordered: Sequence[Tokens], folder: Path, params: TrainParams, progress: Progress
) -> Any:
    import torch
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    class Reporter(TrainerCallback):  # type: ignore[misc]
        """Moves the bar, and marks a checkpoint once all of it is written."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            progress.advance(1)

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            write_text(folder / f"checkpoint-{state.global_step}" / WHOLE, "")

    micro = min(params.micro_batch, params.batch)
    gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,  # `ordered` holds all epochs
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=max(1, params.batch // micro),
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
        save_steps=params.checkpoint_steps,
        # The one before stays until the new one is marked whole.
        save_total_limit=2,
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
        dataloader_pin_memory=gpu,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=list(ordered),
        data_collator=collate,
        compute_loss_func=response_loss,
        callbacks=[Reporter()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; half-written ones are removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if (path / WHOLE).is_file():
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _save_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write the adapter whole, with a configuration that is the same on every machine."""
    work = folder.with_name(".adapter")
    shutil.rmtree(work, ignore_errors=True)
    model.save_pretrained(work, save_embedding_layers=False)
    (work / "README.md").unlink(missing_ok=True)
    config = json.loads((work / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_name
    # peft keeps a set, whose order changes from process to process.
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    write_json(work / "adapter_config.json", config)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(work, folder)


def _point(row: Json, epochs_per_step: float) -> Json:
    return {
        "step": row["step"],
        "epoch": round(row["step"] * epochs_per_step, 4),
        "loss": row["loss"],
        "learning_rate": row["learning_rate"],
        "gradient_norm": row.get("grad_norm"),
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
