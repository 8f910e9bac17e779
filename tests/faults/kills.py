"""Kill the job at random moments; resumed, it must end as the undisturbed one did."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.faults.job import (
    End,
    Workspace,
    answers_made,
    differences,
    largest_call,
    live,
    made,
    start,
    stored_answers,
    wait,
)
from tests.faults.workers import share_out

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
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
    """What every life must end with, and how long a whole one is in both measures.

    `largest` is how many answers its largest call gave;
    `operations` names the write site of each file operation, in order.
    """

    made: dict[str, bytes]
    answers: list[str]
    answers_made: int
    largest: int
    seconds: float
    operations: tuple[str, ...]

    @property
    def events(self) -> int:
        """File operations of a whole life."""
        return len(self.operations)


def undisturbed(work: Workspace) -> Undisturbed:
    out, log = work.folder / "undisturbed", work.folder / "operations"

    def note(_: int, path: str) -> None:
        with log.open("a") as file:
            file.write(f"{write_site(Path(path).relative_to(out))}\n")

    end = live(work, out, before=on_file_operations(out, note))
    if end.code:
        raise SystemExit(f"the undisturbed job failed:\n{end.said}")
    return Undisturbed(
        made(out),
        stored_answers(out),
        answers_made(out),
        largest_call(out),
        end.seconds,
        tuple(log.read_text().splitlines()),
    )


def write_site(path: Path) -> str:
    """What is written there, whichever task, model, step or temporary name it is of.

    Files of the same site are written by the same line of code.
    """
    whole = path.name[1:].rpartition(".")[0] if path.name[:1] == "." else path.name
    plain = re.sub(r"\d+[-\w]*|^(task|model|examples)-.*(?=\.)", "", whole or path.name)
    return f"{path.parts[0]}/{len(path.parts)}/{plain}"


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
class Trial:
    """What the kills of one folder came to: how lives ended, in which stages, and the faults."""

    kills: int
    ends: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    answers_again: int = 0
    answers_lost: int = 0
    files_lost: int = 0


def kill_trials(
    work: Workspace, whole: Undisturbed, kills: int, seed: int, chain: int
) -> list[str]:
    """`kills` lives killed; the faults found.

    Args:
        chain: kills in one folder, one after another, before a life is left to end.
    """
    folders = [range(first, min(first + chain, kills)) for first in range(0, kills, chain)]
    trials = share_out(work.folder, [partial(_trial, work, whole, n, seed) for n in folders])
    ends = sum((trial.ends for trial in trials), Counter[str]())
    stages = sum((trial.stages for trial in trials), Counter[str]())
    survived = sum(trial.kills for trial in trials if not trial.faults)
    print(f"lives ended by {dict(ends)}; in stage {dict(stages)}")
    print(
        f"kills survived: {survived} of {kills}, {ends['nothing: it was done']} of them too late; "
        f"files that differ: {sum(t.files_lost for t in trials)}; "
        f"stored answers lost or twice: {sum(t.answers_lost for t in trials)}; "
        f"answers in flight made again: {sum(t.answers_again for t in trials)}",
        flush=True,
    )
    return [fault for trial in trials for fault in trial.faults]


def _trial(work: Workspace, whole: Undisturbed, numbers: range, seed: int) -> Trial:
    out, dice = work.folder / f"kill-{numbers[0]}", random.Random(f"{seed} {numbers[0]}")
    trial, faults, names = Trial(len(numbers)), [], []
    for number in numbers:
        how, share = SIGNALS[number % len(SIGNALS)], dice.random()
        # In turn by processor time and by file operation: computing is long, writing delicate.
        by_time = number // len(SIGNALS) % 2 == 0
        end = _killed_life(work, whole, out, how, share, by_time)
        trial.stages[stage(out, whole)] += 1
        trial.ends[how.name if end.code else "nothing: it was done"] += 1
        names.append(f"{how.name} at {share:.4f} of {'time' if by_time else 'files'}")
        if end.code not in ENDS[how]:
            faults.append(f"exit code {end.code}: {end.said[-600:]}")
    faults += resumed(work, out, whole, len(numbers))
    trial.answers_again = answers_made(out) - whole.answers_made
    trial.files_lost = len(differences(whole.made, made(out)))
    stored, expected = Counter(stored_answers(out)), Counter(whole.answers)
    trial.answers_lost = ((stored - expected) + (expected - stored)).total()
    trial.faults += [f"kills {numbers[0]} ({', '.join(names)}): {fault}" for fault in faults]
    _clean(out)
    return trial


def _killed_life(
    work: Workspace, whole: Undisturbed, out: Path, how: signal.Signals, share: float, by_time: bool
) -> End:
    if by_time:
        child = start(work, out)
        kill_after(child, share * whole.seconds, how)
        return wait(child, out)
    last = 1 + int(share * whole.events)

    def strike(number: int, _: str) -> None:
        if number == last:
            os.kill(os.getpid(), how)

    return live(work, out, before=on_file_operations(out, strike))


def kill_after(child: int, seconds: float, how: signal.Signals) -> None:
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
        lost: calls that may have been in flight, and so their answers are made again.
    """
    end = live(work, out)
    if end.code:
        return [f"resumed run ended with {end.code}: {end.said[-600:]}"]
    faults = [f"{name} differs" for name in differences(whole.made, made(out))]
    if stored_answers(out) != whole.answers:
        faults.append("the stored answers differ")
    if (more := answers_made(out) - whole.answers_made) > lost * whole.largest:
        most = lost * whole.largest
        faults.append(f"{more} answers made again, at most {most} were in flight")
    return faults


def _clean(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    for suffix in (".log", ".answers"):
        Path(f"{out}{suffix}").unlink(missing_ok=True)
