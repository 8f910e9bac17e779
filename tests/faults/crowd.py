"""Several processes at one store and one artifact cache, some of them killed on the way."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.faults.job import TASKS, Workspace, answers_made, differences, made, start, wait
from tests.faults.kills import Undisturbed, resumed

Life = tuple[int, Path]


def crowd(work: Workspace, whole: Undisturbed, size: int, kills: int, seed: int) -> list[str]:
    """`size` lives with overlapping tasks at once, `kills` of them struck dead, then one more.

    Each has its own log and its own count of answers, but all have one folder of results.
    """
    out, dice = work.folder / f"crowd-{size}", random.Random(seed)
    lives: list[Life] = []
    for number in range(size):
        name = work.folder / f"crowd-{size}.{number}"
        tasks = TASKS[number % 3 :] + TASKS[: number % 3]
        tasks = tasks if number % 2 else tasks[:2]
        lives.append((start(work, name, command=work.command(out, tasks)), name))
    killed = {
        _kill_at_answer(lives, moment)
        for moment in sorted(dice.sample(range(1, whole.answers_made), kills))
    } - {-1}
    faults = []
    for number, (child, name) in enumerate(lives):
        end = wait(child, name)
        if end.code and not (child in killed and end.code == -signal.SIGKILL):
            faults.append(f"process {number} of {size}: exit code {end.code}: {end.said[-600:]}")
    faults += [f"after {size} processes: {fault}" for fault in resumed(work, out, whole)]
    total = answers_made(out) + sum(answers_made(name) for _, name in lives)
    again = total - whole.answers_made
    if again > len(killed) * whole.largest:
        faults.append(f"{again} answers made twice by {size} processes, {len(killed)} were killed")
    print(
        f"{size} processes at once, {len(killed)} killed at work: {again} answers in flight made "
        f"again, {len(differences(whole.made, made(out)))} files differ, {len(faults)} faults",
        flush=True,
    )
    return faults


def _kill_at_answer(lives: list[Life], moment: int) -> int:
    """Kill the one that gave the last answer, once all have given so many: it holds the locks.

    Returns:
        its process id; -1 if all ended before.
    """
    while alive := [life for life in lives if _lives(life[0])]:
        counts = [Path(f"{name}.answers") for _, name in lives]
        if sum(path.stat().st_size for path in counts if path.exists()) >= moment:
            busy = [life for life in alive if Path(f"{life[1]}.answers").exists()]
            if busy:
                child, _ = max(busy, key=lambda life: os.stat(f"{life[1]}.answers").st_mtime_ns)
                os.kill(child, signal.SIGKILL)
                return child
        time.sleep(0.001)
    return -1


def _lives(child: int) -> bool:
    """Whether it still runs; its end is left to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
