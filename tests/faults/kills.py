"""Kill the job at random moments; resumed, it must end as the undisturbed one did."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.job import (
    End,
    Workspace,
    calls_made,
    differences,
    live,
    made,
    start,
    stored_calls,
    wait,
)

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WORKERS = 2
# What a killed life may end with: the signal, bench's own code for an interrupt, or, where the
# signal came too late or a library swallowed the interrupt, an ordinary end.
ENDS = {
    signal.SIGKILL: {-signal.SIGKILL, 0},
    signal.SIGTERM: {-signal.SIGTERM, 0},
    signal.SIGINT: {-signal.SIGINT, 130, 0},
}
# Raised by Python itself before each file is opened, renamed, removed.
FILE_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "shutil.rmtree")


@dataclass(frozen=True)
class Undisturbed:
    """What every life must end with, and how long a whole one is in both measures."""

    made: dict[str, bytes]
    calls: list[str]
    calls_made: int
    seconds: float
    events: int


def undisturbed(work: Workspace) -> Undisturbed:
    out, count = work.folder / "undisturbed", work.folder / "events"
    before = on_file_operations(out, lambda number, _: count.write_text(str(number)))
    end = live(work, out, before=before)
    if end.code:
        raise SystemExit(f"the undisturbed job failed:\n{end.said}")
    return Undisturbed(
        made(out), stored_calls(out), calls_made(out), end.seconds, int(count.read_text())
    )


def on_file_operations(folder: Path, at: Callable[[int, str], object]) -> Callable[[], None]:
    """Makes a life call `at(number, path)` before each change of a file in `folder`."""
    number, inside = 0, False

    def hook(event: str, values: tuple[object, ...]) -> None:
        nonlocal number, inside
        if event not in FILE_EVENTS or inside or not _changes(event, values):
            return
        path = str(values[0])
        if not path.startswith(f"{folder}/"):
            return
        number += 1
        inside = True
        try:
            at(number, path)
        finally:
            inside = False

    return lambda: sys.addaudithook(hook)


def _changes(event: str, values: tuple[object, ...]) -> bool:
    if event != "open":
        return True
    flags = values[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


@dataclass
class Trials:
    """What a number of kills came to: how lives ended, in which stages, and the faults."""

    ends: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    survived: int = 0


def kill_trials(
    work: Workspace, whole: Undisturbed, kills: int, seed: int, chain: int
) -> list[str]:
    """`kills` lives killed, by two processes in turn; the faults found.

    Args:
        chain: kills in one folder, one after another, before a life is left to end.
    """
    results = [work.folder / f"trials-{share}.pickle" for share in range(WORKERS)]
    children = []
    sys.stdout.flush()
    for share, result in enumerate(results):
        child = os.fork()
        if not child:
            try:
                trials = Trials()
                for first in range(share * chain, kills, WORKERS * chain):
                    numbers = range(first, min(first + chain, kills))
                    _trial(work, whole, numbers, random.Random(f"{seed} {first}"), trials)
                result.write_bytes(pickle.dumps(trials))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    parts = [pickle.loads(result.read_bytes()) for result in results]
    ends = sum((part.ends for part in parts), Counter[str]())
    stages = sum((part.stages for part in parts), Counter[str]())
    print(f"lives ended by {dict(ends)}; in stage {dict(stages)}")
    print(f"kills survived: {sum(part.survived for part in parts)} of {kills}", flush=True)
    return [fault for part in parts for fault in part.faults]


def _trial(
    work: Workspace, whole: Undisturbed, numbers: range, dice: random.Random, trials: Trials
) -> None:
    out, faults, names = work.folder / f"kill-{numbers[0]}", [], []
    for number in numbers:
        how, share = SIGNALS[number % len(SIGNALS)], dice.random()
        # In turn by processor time and by file operation: computing is long, writing delicate.
        by_time = number // len(SIGNALS) % 2 == 0
        end = _killed_life(work, whole, out, how, share, by_time)
        trials.stages[stage(out, whole)] += 1
        trials.ends[how.name if end.code else "nothing: it was done"] += 1
        names.append(f"{how.name} at {share:.4f} of {'time' if by_time else 'files'}")
        if end.code not in ENDS[how]:
            faults.append(f"exit code {end.code}: {end.said[-600:]}")
    faults += resumed(work, out, whole, len(numbers))
    trials.faults += [f"kills {numbers[0]} ({', '.join(names)}): {fault}" for fault in faults]
    trials.survived += 0 if faults else len(numbers)
    _clean(out)


def _killed_life(
    work: Workspace, whole: Undisturbed, out: Path, how: signal.Signals, share: float, by_time: bool
) -> End:
    if by_time:
        child = start(work, out)
        _kill_after(child, share * whole.seconds, how)
        return wait(child, out)
    last = 1 + int(share * whole.events)

    def strike(number: int, _: str) -> None:
        if number == last:
            os.kill(os.getpid(), how)

    return live(work, out, before=on_file_operations(out, strike))


def _kill_after(child: int, seconds: float, how: signal.Signals) -> None:
    """Send a signal once the child has used so much processor time, unless it ended before."""
    clock = (~child << 3) | 2  # Linux: another process's processor clock
    while time.clock_gettime(clock) < seconds and os.waitid(
        os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT
    ) is None:  # fmt: skip
        time.sleep(0.001)
    os.kill(child, how)


def stage(out: Path, whole: Undisturbed) -> str:
    """How far a killed life came, by what it left."""

    def there(pattern: str) -> bool:
        return any(out.glob(pattern))

    if made(out).keys() == whole.made.keys():
        return "after the board"
    if there("board/*"):
        return "board"
    if there("artifacts/*/manifest.json"):
        return "scoring"
    for file, name in (
        ("artifacts/*/training.json", "adapter to manifest"),
        ("artifacts/*/data.jsonl", "training"),
        ("artifacts/*/instructions.jsonl", "writing answers"),
        ("responses/*/*.jsonl", "writing tasks"),
    ):
        if there(file):
            return name
    return "before the first call"


def resumed(work: Workspace, out: Path, whole: Undisturbed, lost: int = 1) -> list[str]:
    """Run the job in `out` to its end; what is not as in the undisturbed one.

    Args:
        lost: calls that may have been in flight, and so are made again.
    """
    end = live(work, out)
    if end.code:
        return [f"resumed run ended with {end.code}: {end.said[-600:]}"]
    faults = [f"{name} differs" for name in differences(whole.made, made(out))]
    if stored_calls(out) != whole.calls:
        faults.append("the stored calls differ")
    if (more := calls_made(out) - whole.calls_made) > lost:
        faults.append(f"{more} calls made again, at most {lost} were in flight")
    return faults


def _clean(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    for suffix in (".log", ".calls"):
        Path(f"{out}{suffix}").unlink(missing_ok=True)
