"""How to train, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainParams:
    """How to train. Steps count optimizer updates of `batch` examples.

    The optimizer is AdamW (betas 0.9 and 0.999, no weight decay), and gradients are clipped to a
    norm of 1.0: transformers' Trainer's own values, which no budget varies.

    target_modules: "all-linear" or names with commas between them.
    loss_average: of a batch's loss, "tokens" (the mean over its response tokens, so that a long
        response weighs as much as it is long) or "examples" (the mean over its examples of the
        mean over their response tokens, so that a label weighs as much as a paragraph).
    schedule: "constant", "linear" or "cosine", after `warmup_steps`, at most half of the run.
    steps: optimizer updates in all, going through the examples as often as that takes, so that
        two methods with unlike numbers of examples train alike; 0 leaves it to `epochs`.
    holdout: share of the examples that is not trained on but measured: the adapter kept is that
        of the lowest loss on them. 0, or a share of under 4 examples, measures nothing and keeps
        the last.
    evaluations: how often in a run the loss on them is measured.
    patience: so many measurements without a lower loss end the training.
    micro_batch: most examples in one forward pass; gradients add up to exactly `batch`,
        so the passes are as large as divides it.
    row_tokens: a forward pass packs its examples into rows of at most so many
        tokens, without cross-talk; 0 gives each example a row of its own.
    max_length: tokens; what is longer loses the beginning of its input, then of all its prompt.
    top_k: of examples with a teacher, how many of its likeliest tokens are learnt at each place
        of the answer; 0 learns the answer's own tokens.
    quantisation: "" or "nf4" (the frozen base in 4 bits: QLoRA).
    """

    seed: int
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    target_modules: str
    learning_rate: float
    loss_average: str
    warmup_steps: int
    schedule: str
    epochs: int
    steps: int
    holdout: float
    evaluations: int
    patience: int
    batch: int
    micro_batch: int
    row_tokens: int
    max_length: int
    quantisation: str
    gradient_checkpointing: bool
    checkpoint_steps: int
    top_k: int = 0
