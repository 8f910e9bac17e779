"""Several processes at one store and one artifact cache, some of them killed on the way."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.faults.job import TASKS, Workspace, calls_made, differences, made, start, wait
from tests.faults.kills import Undisturbed, resumed


def crowd(work: Workspace, whole: Undisturbed, size: int, killed: int, seed: int) -> list[str]:
    """`size` lives with overlapping tasks at once, `killed` of them struck dead, then one more.

    Each has its own log and its own count of calls, but all have one folder of results.
    """
    out, dice = work.folder / f"crowd-{size}", random.Random(seed)
    lives: list[tuple[int, Path]] = []
    for number in range(size):
        name = work.folder / f"crowd-{size}.{number}"
        tasks = TASKS[number % 3 :] + TASKS[: number % 3]
        tasks = tasks if number % 2 else tasks[:2]
        lives.append((start(work, name, command=work.command(out, tasks)), name))
    doomed = dice.sample(range(size), killed)
    for number in doomed:
        time.sleep(dice.random() * whole.seconds)
        os.kill(lives[number][0], signal.SIGKILL)
    faults = []
    for number, (child, name) in enumerate(lives):
        end = wait(child, name)
        if end.code and not (number in doomed and end.code == -signal.SIGKILL):
            faults.append(f"process {number} of {size}: exit code {end.code}: {end.said[-600:]}")
    faults += [f"after {size} processes: {fault}" for fault in resumed(work, out, whole)]
    total = calls_made(out) + sum(calls_made(name) for _, name in lives)
    again = total - whole.calls_made
    if again > killed:
        faults.append(f"{again} calls made twice by {size} processes, {killed} were killed")
    print(
        f"{size} processes at once, {killed} killed: {again} calls made again, "
        f"{len(differences(whole.made, made(out)))} files differ, {len(faults)} faults"
    )
    return faults
