"""Checkpoints of an interrupted training: the newest that can be gone on from.

A checkpoint says by its digests that it was written to its end. Digests can be made
anew, so what it holds is looked at as well, before transformers reads it: the files by
list, each tensor of the shape that this training's own has, each number of its kind.
"""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.checks import ValueType, whole_number
from harness.doors import limits
from harness.doors.fields import NUMBER, TABLE, YES_NO, count, faults, listing, mapping, maybe
from harness.doors.files import read_object
from harness.doors.paths import check_tree
from harness.doors.text import plain
from harness.errors import UserError
from harness.files import sha256_file, sync, write_json
from harness.types import Progress

WHOLE = "whole"  # the file that marks a checkpoint as written to its end
_WEIGHTS = "adapter_model.safetensors"
_READ = (_WEIGHTS, "optimizer.pt", "scheduler.pt", "trainer_state.json")
# Written by the library and never read, or of ours.
_UNREAD = ("README.md", "adapter_config.json", "training_args.bin", WHOLE)
_TABLE_BYTES = 1 << 20  # of a .pt file beside its tensors

_NONE = ValueType("null", lambda value: value is None)
_SOME = whole_number(1)
_STATE = {
    "best_global_step": _NONE, "best_metric": _NONE, "best_model_checkpoint": _NONE,
    "epoch": maybe(NUMBER), "eval_steps": _SOME, "global_step": _SOME, "max_steps": _SOME,
    "is_hyper_param_search": YES_NO, "is_local_process_zero": YES_NO,
    "is_world_process_zero": YES_NO, "log_history": listing(mapping(NUMBER), limits.KEYS),
    "logging_steps": _SOME, "num_input_tokens_seen": count(), "num_train_epochs": _SOME,
    "save_steps": _SOME, "stateful_callbacks": TABLE, "total_flos": NUMBER,
    "train_batch_size": maybe(_SOME), "trial_name": _NONE, "trial_params": _NONE,
}  # fmt: skip
_LOGGED = {"step": _SOME, "loss": NUMBER, "learning_rate": NUMBER}


class Unfit(UserError):
    """A checkpoint that this training cannot go on from; the words say why."""


def mark_whole(checkpoint: Path) -> None:
    """Bring a checkpoint to the disk, then vouch for it."""
    sync(checkpoint)
    write_json(checkpoint / WHOLE, _digests(checkpoint))


def newest_sound(
    folder: Path, check: Callable[[Path], None]
) -> tuple[Path | None, dict[Path, str]]:
    """The newest checkpoint to go on from; and why each newer one is none, "" for a half one.

    Nothing is removed: of several processes each chooses the same one.

    Args:
        check: raises `Unfit`.
    """
    numbered = {path: step_of(path) for path in folder.glob("checkpoint-*")}
    unfit: dict[Path, str] = {path: "" for path, step in numbered.items() if not step}
    for path in sorted(numbered, key=lambda path: numbered[path], reverse=True):
        if path in unfit or not _is_folder(path) or not (path / WHOLE).is_file():
            unfit[path] = ""
            continue
        try:
            _check_digests(path)
            check(path)
            return path, unfit
        except Unfit as error:
            unfit[path] = str(error)
    return None, unfit


def remove(unfit: Mapping[Path, str], left: Path | None, progress: Progress) -> None:
    """Remove those that are no use, and say once from where training goes on."""
    for path in unfit:
        if _is_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink()
    told = [f"{path.name} ({why})" for path, why in unfit.items() if why]
    if told:
        then = f"goes on from {left.name}, the checkpoint before" if left else "begins anew"
        progress.say(
            f"{plain(next(iter(unfit)).parent)}: damaged: {'; '.join(told)}. Training {then}."
        )


def step_of(path: Path) -> int:
    """The step after which a checkpoint was written, by its name; 0 if that is none."""
    number = path.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() and len(number) < 16 else 0


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _digests(checkpoint: Path) -> dict[str, str]:
    files = (path for path in checkpoint.rglob("*") if path.is_file() and path.name != WHOLE)
    return {path.relative_to(checkpoint).as_posix(): sha256_file(path) for path in sorted(files)}


def _check_digests(checkpoint: Path) -> None:
    try:
        check_tree(checkpoint)
        # Of 0.1 the file is empty: that it was written to its end is all that is known.
        mark = checkpoint / WHOLE
        if mark.stat().st_size and read_object(mark) != _digests(checkpoint):
            raise Unfit("files are not as they were written")
    except Unfit:
        raise
    except (OSError, UserError) as error:
        raise Unfit(str(error)) from error


def read_weights(path: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of a safetensors file that holds what `wanted` does, in names and shapes.

    Raises:
        Unfit: it does not.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    most = sum(tensor.numel() * 8 for tensor in wanted.values()) + limits.SAFETENSORS_HEADER
    try:
        if path.stat().st_size > most:
            raise Unfit(f"{path.name}: larger than its tensors")
        weights: dict[str, Any] = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise Unfit(f"{path.name}: {plain(error):.120}") from error
    _alike(weights, dict(wanted), path.name)
    return weights


class Fitting:
    """What a checkpoint of this training holds, told by what a fresh training begins with.

    Args:
        trainer: transformers' Trainer, not yet run; it is left as it was.
        steps: of the whole run.
        processes: that train together; each has its own random numbers in a checkpoint.
    """

    def __init__(self, trainer: Any, steps: int, processes: int) -> None:
        import peft
        import torch

        self._steps = steps
        names = [f"rng_state_{rank}.pth" for rank in range(processes)]
        self._random = names if processes > 1 else ["rng_state.pth"]
        self._weights = peft.get_peft_model_state_dict(trainer.model, save_embedding_layers=False)
        optimizer = trainer.create_optimizer()
        scheduler = trainer.create_scheduler(steps, optimizer)
        self._scheduler = scheduler.state_dict()
        self._groups = optimizer.state_dict()["param_groups"]
        trained = [weight for group in optimizer.param_groups for weight in group["params"]]
        # Adam's, by the places of the weights.
        self._moments = {
            place: {"step": torch.zeros(()), "exp_avg": weight, "exp_avg_sq": weight}
            for place, weight in enumerate(trained)
        }
        self._bytes = sum(weight.numel() * 8 for weight in trained)
        trainer.optimizer = trainer.lr_scheduler = None

    def check(self, checkpoint: Path) -> None:
        """Whether training can go on from it.

        Raises:
            Unfit: says which file, and what is wrong with it.
        """
        there = {path.name for path in checkpoint.iterdir()}
        needed = {*_READ, *self._random}
        if missing := needed - there:
            raise Unfit(f"{min(missing)} is missing")
        if strange := there - needed - {*_UNREAD}:
            raise Unfit(f"{plain(min(strange)):.80} belongs to no checkpoint")
        self._check_state(checkpoint / "trainer_state.json", step_of(checkpoint))
        read_weights(checkpoint / _WEIGHTS, self._weights)
        self._check_optimizer(self._tensors(checkpoint / "optimizer.pt"))
        found = self._tensors(checkpoint / "scheduler.pt")
        _alike(found, self._scheduler, "scheduler.pt")
        for name in self._random:
            _check_random(self._tensors(checkpoint / name), name)

    def _tensors(self, path: Path) -> Any:
        """A file of torch's: tensors, and plain values around them; nothing else is made."""
        import torch
        from transformers.trainer_pt_utils import safe_globals

        if path.stat().st_size > self._bytes + _TABLE_BYTES + 512 * len(self._moments):
            raise Unfit(f"{path.name}: larger than what it should hold")
        try:
            # numpy's arrays, of the random numbers; what is odd is told by us, not by warnings.
            with safe_globals(), warnings.catch_warnings(action="ignore"):
                return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a crafted pickle may raise anything
            words = " ".join(str(error).split())
            raise Unfit(f"{path.name}: cannot be read ({plain(words):.120})") from error

    def _check_optimizer(self, found: Any) -> None:
        name = "optimizer.pt"
        _alike(found, {"state": {}, "param_groups": self._groups}, name, within=("state",))
        for key, (group, wanted) in _pairs(found["param_groups"], self._groups):
            if key != "lr" and group != wanted:
                raise Unfit(f"{name}: {plain(key):.40} is not this training's")
        moments = found["state"]
        if not isinstance(moments, dict) or not set(moments) <= set(self._moments):
            raise Unfit(f"{name}: holds states of other weights")
        for place, state in moments.items():
            _alike(state, self._moments[place], f"{name}: state {place}")

    def _check_state(self, path: Path, step: int) -> None:
        try:
            state = read_object(path, limits.LINE_BYTES)
        except (OSError, UserError) as error:
            raise Unfit(str(error)) from error
        told = list(faults("", state, _STATE))
        if strange := set(state) - set(_STATE):
            told.append(f"{plain(min(strange)):.80}: unknown")
        if not told:
            for row in state["log_history"]:
                told += faults("log_history.", row, _LOGGED)
            if state["global_step"] != step or state["max_steps"] != self._steps:
                told.append(f"global_step and max_steps are not {step} of {self._steps}")
            if [row.get("step") for row in state["log_history"]] != list(range(1, step + 1)):
                told.append("log_history is not a row a step")
        if told:
            raise Unfit(f"{path.name}: {told[0]}")


def _pairs(found: Any, wanted: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for group, own in zip(found, wanted, strict=True):
        for key in own:
            yield key, (group[key], own[key])


def _alike(found: Any, wanted: Any, place: str, within: tuple[str, ...] = ()) -> None:
    """Whether two values are of one form: keys, lengths, kinds, shapes; all numbers finite.

    Args:
        within: keys whose values are not looked at.
    """
    import torch

    number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
    if isinstance(wanted, torch.Tensor):
        _alike_tensors(found, wanted, place)
    elif type(found) is not type(wanted) and not (number and type(found) in (int, float)):
        raise Unfit(f"{place}: found {type(found).__name__}; expected {type(wanted).__name__}")
    elif isinstance(wanted, dict):
        if found.keys() != wanted.keys():
            raise Unfit(f"{place}: other keys than this training's")
        for key in wanted:
            if key not in within:
                _alike(found[key], wanted[key], f"{place}: {plain(key):.80}")
    elif isinstance(wanted, list | tuple):
        if len(found) != len(wanted):
            raise Unfit(f"{place}: found {len(found)} values; expected {len(wanted)}")
        for one, other in zip(found, wanted, strict=True):
            _alike(one, other, place)
    elif number and not math.isfinite(found):
        raise Unfit(f"{place}: found {found}; expected a number")


def _alike_tensors(found: Any, wanted: Any, place: str) -> None:
    import torch

    if type(found) is not torch.Tensor or found.layout != torch.strided:
        raise Unfit(f"{place}: found {type(found).__name__}; expected a tensor")
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise Unfit(
            f"{place}: found a tensor {list(found.shape)!s:.40} of {found.dtype}; expected "
            f"{list(wanted.shape)} of {wanted.dtype}"
        )
    if not found.isfinite().all():
        raise Unfit(f"{place}: holds values that are no numbers")


def _check_random(found: Any, name: str) -> None:
    """Whether the states of random numbers are any, by setting them for a moment."""
    import random

    import numpy as np
    import torch

    held = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    try:
        with warnings.catch_warnings(action="ignore"):
            random.setstate(found["python"])
            np.random.set_state(found["numpy"])
            torch.random.set_rng_state(found["cpu"])
    except Exception as error:  # whatever the three libraries say to any value at all
        raise Unfit(f"{name}: holds no state of random numbers") from error
    finally:
        random.setstate(held[0])
        np.random.set_state(held[1])
        torch.random.set_rng_state(held[2])
