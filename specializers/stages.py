"""Stages of a specialisation: each a file written whole; a file that is there is not made again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.artifacts.makes import SEED, TRAINING_SEED
from harness.doors.files import read_jsonl, read_object
from harness.engines.loading import spread
from harness.files import write_json, write_jsonl
from harness.types import BaseModel, Json, Progress
from specializers.parameters import take
from specializers.training.examples import TrainingExample
from specializers.training.parallel import train_in_processes
from specializers.training.params import TrainParams
from specializers.training.rates import train_at, tried_rates
from specializers.training.trainer import train_lora

# Seconds differ from run to run, so they are kept apart from what is digested.
TIMES = "seconds.json"


def rows_stage(
    out: Path, name: str, work: Callable[[], tuple[Sequence[Mapping[str, Any]], Json]]
) -> list[Json]:
    """Rows of `<name>.jsonl`; if it is not there `work` makes them, and `<name>.json`."""
    path = out / f"{name}.jsonl"
    if not path.is_file():
        began = time.monotonic()
        rows, report = work()
        write_json(out / f"{name}.json", report)
        note_seconds(out, name, time.monotonic() - began)
        write_jsonl(path, rows)
    return list(read_jsonl(path))


def adapter_stage(
    base: BaseModel,
    examples: Sequence[TrainingExample],
    params: Mapping[str, Any],
    out: Path,
    progress: Progress,
) -> Json:
    """Train `out/adapter` unless it is there; what training.json says."""
    if not (out / "training.json").is_file():
        base.release()
        began = time.monotonic()
        spec = base.local.spec
        if spec.train_processes > 1:
            train = partial(train_in_processes, spec.train_processes)
        else:
            placement = spread(spec.device_map, spec.memory) if spec.device_map else None
            train = partial(train_lora, placement=placement)
        named = {**params, SEED: params.get(TRAINING_SEED, params[SEED])}

        def train_into(folder: Path, rate: float) -> Json:
            return train(
                base.local.folder,
                base.name,
                examples,
                folder,
                take(TrainParams, {**named, "learning_rate": rate}),
                progress,
                trust_remote_code=spec.trust_remote_code,
                dtype=str(base.numerics.get("dtype", "")),
            )

        train_at(tried_rates(params), train_into, out, progress)
        note_seconds(out, "training", time.monotonic() - began)
    # Here, so that a life killed between the two leaves none behind.
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return read_report(out / "training.json")


def note_seconds(out: Path, stage: str, seconds: float) -> None:
    """Keep the wall time of a stage; after an interruption it is that of the last call alone."""
    times = read_report(out / TIMES)
    write_json(out / TIMES, {**times, stage: round(seconds, 1)})


def read_report(path: Path) -> Json:
    """The JSON object in `path`; {} where there is none."""
    if not path.is_file():
        return {}
    report: Json = read_object(path)
    return report
