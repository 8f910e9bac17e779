"""One process of a training over several: `python -m specializers.training.rank`.

It is told what to train by the first line of its standard input, and ends when
that is closed: a training must not go on after the run that wanted it was
killed, beside the one that takes its place. The first process tells of its
progress, a JSON list a line.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from harness.doors.files import parse_json
from harness.errors import UserError
from harness.progress import NullProgress
from harness.types import Progress
from specializers.training.examples import as_told
from specializers.training.params import TrainParams
from specializers.training.trainer import train_lora


class Told:
    """Progress as lines for the process that started this one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def tell(self, *what: object) -> None:
        """One line."""
        self._stream.write(json.dumps(what) + "\n")
        self._stream.flush()

    def start(self, label: str, total: int, unit: str) -> None:
        self.tell("start", label, total, unit)

    def advance(self, count: int) -> None:
        self.tell("advance", count)

    def finish(self) -> None:
        self.tell("finish")

    def say(self, line: str) -> None:
        self.tell("say", line)


def main() -> int:
    """Train this process's share; 2 after a mistake that was told."""
    # Whatever a library prints goes to the errors; standard output is for progress alone.
    told = Told(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    call: dict[str, Any] = parse_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    progress: Progress = NullProgress() if rank else told
    try:
        train_lora(
            Path(call["folder"]),
            call["base_name"],
            [as_told(example) for example in call["examples"]],
            Path(call["out"]),
            TrainParams(**call["params"]),
            progress,
            trust_remote_code=call["trust_remote_code"],
            placement=_own_gpu(rank),
            dtype=call["dtype"],
            processes=count,
        )
    except UserError as error:
        told.tell("mistake", str(error))
        return 2
    return 0


def _own_gpu(rank: int) -> dict[str, Any] | None:
    import torch

    return {"device_map": {"": rank}} if torch.cuda.is_available() else None


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
