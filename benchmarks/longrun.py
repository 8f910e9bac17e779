"""A run of 100,000 items: memory, store size, time to resume, time of the board.

    python -m benchmarks.longrun [--items 100000] [--model FOLDER --real 2000]

The bulk is answered by a scripted engine through the very path of a run (look-up, store,
record); `--model` adds a real model, of which every item is generated. Slopes are least squares
over the second half of the rounds, when everything is loaded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.boards import made_up
from harness.ask import Asker
from harness.engines.base import Call, EngineReport, GenerateRequest
from harness.progress import NullProgress
from harness.record import read_records, write_record
from harness.store import ResponseStore
from harness.types import Decoding, Response
from leaderboards.build import build
from leaderboards.render import write_board
from leaderboards.spec import BoardSpec

CALL, TEXT = 32, "an answer of a usual length, here two dozen words " * 3


class Scripted:
    """Answers at once, a call of 32 at a time."""

    def __init__(self) -> None:
        self.report = EngineReport()

    def generate(
        self,
        requests: Sequence[GenerateRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        todo = [index for index in range(len(requests)) if index not in answered]
        for start in range(0, len(todo), CALL):
            yield [
                (i, Response("generation", text=f"{i} {TEXT}", finish="stop", tokens=32))
                for i in todo[start : start + CALL]
            ]


def rounds(count: int) -> Iterator[list[GenerateRequest]]:
    """Prompts of 100 tokens, all different, some at a time; the same ones each time."""
    size = min(1000, count // 20)
    for number in range(count // size):
        tokens = np.random.default_rng(number).integers(3, 90, (size, 100)).tolist()
        yield [GenerateRequest(tuple(row), Decoding(8)) for row in tokens]


def resident() -> float:
    """MiB of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def slope(items: Sequence[int], memory: Sequence[float]) -> float:
    """KiB an item, over the second half."""
    half = len(items) // 2
    return float(np.polyfit(items[half:], memory[half:], 1)[0]) * 1024


def ask_all(engine: Any, root: Path, count: int) -> None:
    """Answer `count` requests in rounds and print memory, speed and size."""
    space = {"engine": type(engine).__name__}
    store = ResponseStore(root, space)
    asker = Asker(engine, store, None, NullProgress())
    items, memory = [], []
    began = time.perf_counter()
    for batch in rounds(count):
        asker.generate(batch, "")
        items.append(asker.counts.asked)
        memory.append(resident())
    seconds = time.perf_counter() - began
    disk = sum(path.stat().st_size for path in store.folder.glob("*.jsonl"))
    print(
        f"{type(engine).__name__}: {items[-1]} items in {seconds:.1f} s; memory {memory[0]:.0f} to "
        f"{memory[-1]:.0f} MiB, slope {slope(items, memory):.3f} KiB an item; "
        f"store {disk / items[-1]:.0f} bytes a response",
        flush=True,
    )


def resume(root: Path, count: int) -> None:
    """Open the store anew and look everything up."""
    began = time.perf_counter()
    store = ResponseStore(root, {"engine": "Scripted"})
    opened = time.perf_counter() - began
    asker = Asker(Scripted(), store, None, NullProgress())  # type: ignore[arg-type]
    looked_up = 0.0
    for batch in rounds(count):
        began = time.perf_counter()
        asker.generate(batch, "")
        looked_up += time.perf_counter() - began
    print(
        f"resume: store of {len(store)} responses opened in {opened:.2f} s, all looked up in "
        f"{looked_up:.2f} s; {asker.counts.reused} of {asker.counts.asked} reused",
        flush=True,
    )


def board(out: Path, count: int) -> None:
    """Write `count` items as records, then read them and build their board."""
    for record in made_up(models=4, tasks=5, items=count // 20):
        manifest, summary = dict(record.manifest), dict(record.summary)
        name = f"{manifest['task']}@0.0"
        items = [{**item, "answer": TEXT, "input": TEXT, "target": [""]} for item in record.items]
        write_record(out / "runs" / manifest["model"] / name, manifest, items, summary, {})
    began = time.perf_counter()
    records = read_records(out / "runs")
    read = time.perf_counter() - began
    write_board(build(records, BoardSpec("made_up")), out / "board")
    print(
        f"board: {sum(len(r.items) for r in records)} items in {len(records)} records read in "
        f"{read:.1f} s, board built and written in {time.perf_counter() - began - read:.1f} s; "
        f"memory {resident():.0f} MiB"
    )


def main() -> None:
    """Print the figures; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--model", type=Path, help="a transformers folder")
    parser.add_argument("--real", type=int, default=2_000, help="items for --model")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ask_all(Scripted(), root / "responses", args.items)
        resume(root / "responses", args.items)
        board(root / "out", args.items)
        if args.model:
            from harness.engines.hf import HFEngine

            ask_all(HFEngine(args.model), root / "responses", args.real)


if __name__ == "__main__":
    main()
