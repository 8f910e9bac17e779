"""The learning rate of the lowest held-out loss: one training at each, and the best is kept.

How high a rate suits some hundred examples depends on the model. What is held out tells it without
a test item being asked; it costs a training for each rate.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.doors.files import read_object
from harness.files import write_bytes, write_json
from harness.types import Json, Progress
from specializers.training.heldout import FEWEST
from specializers.training.trainer import CURVE

_TRIALS = "rates"


def tried_rates(params: Mapping[str, Any]) -> tuple[float, ...]:
    """The learning rates that `rates` names, with commas between them; where it names none, the
    one of `learning_rate`.

    Raises:
        ValueError: one of them is no number above 0.
    """
    named = params.get("rates", "").split(",")
    rates = tuple(dict.fromkeys(float(rate) for rate in named if rate.strip()))
    if not all(0 < rate < math.inf for rate in rates):
        raise ValueError(params["rates"])
    return rates or (params["learning_rate"],)


def rate_faults(name: str, params: Mapping[str, Any]) -> list[str]:
    """What is wrong with `rates` of specializer `name`."""
    try:
        several = len(tried_rates(params)) > 1
    except ValueError:
        return [
            f"{name}: rates is {params['rates']!r}, expected learning rates above 0 with commas "
            "between them, such as 1e-4,3e-4; or nothing."
        ]
    if several and not params["holdout"]:
        return [
            f"{name}: rates is {params['rates']!r} and holdout 0: nothing would tell which rate is "
            "best. Give a share of the examples to measure on, such as --set holdout=0.1."
        ]
    return []


def train_at(
    rates: Sequence[float], train: Callable[[Path, float], Json], out: Path, progress: Progress
) -> None:
    """Train at each rate and keep in `out` what has the lowest held-out loss.

    A rate whose training ended is not trained at again. training.json says of several rates what
    loss each came to ("rates": {rate: nats per answer token}) and which was kept ("rate").

    Args:
        train: trains into a folder at a rate (`specializers.training.trainer.train_lora`); what
            training.json says.
    """
    if len(rates) == 1:
        train(out, rates[0])
        return
    losses: dict[float, float] = {}
    for rate in rates:
        folder = _folder(out, rate)
        if not (folder / "training.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            progress.say(f"training at a learning rate of {rate:g}")
            train(folder, rate)
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        measured = read_object(folder / "training.json").get("held_out_loss", {})
        losses[rate] = measured.get("kept", math.inf)
        if not measured:
            progress.say(
                f"rates: under {FEWEST} examples are held out, which tells nothing; "
                f"{rate:g} is kept"
            )
            break
    best = min(losses, key=lambda rate: (losses[rate], rate))
    kept = _folder(out, best)
    (out / "adapter").mkdir(exist_ok=True)
    for file in (*sorted((kept / "adapter").iterdir()), kept / CURVE):
        write_bytes(out / file.relative_to(kept), file.read_bytes())
    told = {f"{rate:g}": loss for rate, loss in losses.items() if loss < math.inf}
    write_json(
        out / "training.json",
        {**read_object(kept / "training.json"), "rates": told, "rate": best},
    )
    shutil.rmtree(out / _TRIALS)


def _folder(out: Path, rate: float) -> Path:
    return out / _TRIALS / f"{rate:g}"
