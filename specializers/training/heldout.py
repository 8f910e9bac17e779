"""The loss on examples that are not trained on; the adapter of the lowest is the one kept.

Measured before the first step and some times in a run. What is measured is written beside the
checkpoints, so that a run that was killed goes on with what it had seen.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.doors.fields import NUMBER
from harness.doors.files import read_object
from harness.doors.text import plain
from harness.errors import UserError
from harness.files import sync, write_json
from specializers.training.checkpoints import Unfit, read_weights
from specializers.training.loss import asked, keeps_logits, summed_loss
from specializers.training.packing import collate
from specializers.training.params import TrainParams
from specializers.training.targets import EncodedExample

FEWEST = 4  # examples whose mean loss tells anything
_MEASURED = "heldout.json"


def measurements(count: int, share: float, steps: int, evaluations: int) -> int:
    """How many examples are asked for their loss in a training of `steps`: those held out, before
    the first step, every so many, and after the last."""
    _, held = split(count, share, 0)
    return len(held) * (1 + -(-steps // _every(steps, evaluations)))


def _every(steps: int, evaluations: int) -> int:
    """Steps from one measurement to the next."""
    return max(1, steps // evaluations)


def split(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places of `count` examples: what is trained on, what is held out; both in order."""
    held = round(count * share)
    if held < FEWEST:
        return list(range(count)), []
    out = set(random.Random(seed).sample(range(count), held))
    return [place for place in range(count) if place not in out], sorted(out)


class HeldOut:
    """Measures and remembers; `folder` holds the weights of the lowest loss so far.

    Args:
        model: under its peft adapter.
        steps: of the whole run, in which it is measured `params.evaluations` times.
    """

    def __init__(
        self,
        model: Any,
        examples: Sequence[EncodedExample],
        params: TrainParams,
        row_tokens: int,
        folder: Path,
        steps: int,
        processes: int = 1,
    ) -> None:
        self._model, self._examples, self._params = model, examples, params
        self._row_tokens, self._folder, self._steps = row_tokens, folder, steps
        self._processes, self._writes = processes, False
        self._every = _every(steps, params.evaluations)
        self.losses: dict[int, float] = {}  # step -> nats per answer token

    def begin(self, begun: int, writes: bool = True) -> None:
        """Take up what was measured, or measure for the first time.

        Args:
            begun: the step at which this call goes on; what was measured after it is measured
                again. What lies there passed `check`.
            writes: whether this process writes the files; of several, all measure and one decides.
        """
        self._writes = writes
        if begun and self._examples:
            self.losses = {step: loss for step, loss in self._told().items() if step <= begun}
        if not self.losses:
            self.measure(0)

    def check(self, begun: int) -> None:
        """Whether what was measured up to a step, and the weights kept of it, can be gone on from.

        Raises:
            Unfit: says which file, and what is wrong with it.
        """
        if not self._examples:
            return
        losses = {step: loss for step, loss in self._told().items() if step <= begun}
        if 0 not in losses:
            raise Unfit(f"{_MEASURED}: no loss of the base")
        if best := _lowest(losses):
            self._kept(best)

    def _told(self) -> dict[int, float]:
        path = self._folder / _MEASURED
        try:
            told = read_object(path)
        except (OSError, UserError) as error:
            raise Unfit(f"{_MEASURED}: {plain(error):.200}") from error
        if not all(s.isdecimal() and len(s) < 16 and NUMBER.fits(told[s]) for s in told):
            raise Unfit(f"{_MEASURED}: holds more than a number a step")
        return {int(step): float(told[step]) for step in told}

    @property
    def best(self) -> int:
        """The step of the lowest loss after training began; 0 where nothing was measured."""
        return _lowest(self.losses)

    def measure(self, step: int) -> bool:
        """Measure if it is time to; has the loss stopped falling?"""
        if not self._examples or (step % self._every and step != self._steps):
            return False
        self.losses[step] = self._loss()
        if self._writes:
            self._folder.mkdir(parents=True, exist_ok=True)
            if step and self.best == step:
                self._keep(step)
            write_json(self._folder / _MEASURED, self.losses)
        since = [s for s in self.losses if s > self.best]
        return bool(step) and len(since) >= self._params.patience

    def restore(self) -> None:
        """Put the weights of the lowest loss into the model."""
        import peft

        if self.best and self.best != max(self.losses):
            peft.set_peft_model_state_dict(self._model, self._kept(self.best))

    def _kept(self, step: int) -> dict[str, Any]:
        import peft

        own = peft.get_peft_model_state_dict(self._model, save_embedding_layers=False)
        return read_weights(self._folder / f"best-{step}.safetensors", own)

    def _keep(self, step: int) -> None:
        import peft
        from safetensors.torch import save_file

        weights = peft.get_peft_model_state_dict(self._model, save_embedding_layers=False)
        path = self._folder / f"best-{step}.safetensors"
        save_file({name: t.detach().cpu().contiguous() for name, t in weights.items()}, path)
        sync(self._folder)

    def _loss(self) -> float:
        import torch

        model, size = self._model, self._params.micro_batch
        keeps, was_training = keeps_logits(model), model.training
        model.eval()
        total, count = torch.zeros((), dtype=torch.float64), 0
        with torch.no_grad():
            for start in range(0, len(self._examples), size):
                batch = collate(self._examples[start : start + size], self._row_tokens)
                tensors = {name: t.to(model.device) for name, t in batch.items()}
                arguments, expected = asked(tensors, keeps)
                total += summed_loss(model(**arguments), expected).double().cpu()
                count += len(expected.tokens)
        model.train(was_training)
        mean = total / count
        if self._processes > 1:  # rounding must not let one stop and another go on
            mean = mean.to(model.device)
            torch.distributed.broadcast(mean, 0)
        return float(mean)


def _lowest(losses: Mapping[int, float]) -> int:
    """The step of the lowest loss after training began; 0 where there is none."""
    return min((s for s in losses if s), key=lambda step: (losses[step], step), default=0)
