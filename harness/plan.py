"""Models x tasks x shots x draws x wordings -> jobs, grouped by base weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from harness.types import Job


def plan_jobs(
    models: Sequence[tuple[str, str, str]],
    tasks: Sequence[str],
    *,
    suite_of: Callable[[str], str],
    shots_of: Callable[[str], Sequence[int]],
    draws: int = 1,
    limit: int = 0,
    chat: Literal["auto", "on", "off"] = "auto",
    wordings_of: Callable[[str], Sequence[tuple[int, int]]] = lambda _: ((0, 0),),
    bits: bool = True,
) -> list[Job]:
    """Every cell of a run, in the order it is computed.

    Jobs over the same base weights stand together, the base itself first, so
    that each base is loaded once. With no shots there are no demonstrations to
    draw, so only draw 0 exists.

    Args:
        models: (name, base, specializer) of each model.
        suite_of: task -> suite.
        shots_of: task -> the numbers of demonstrations it is asked with.
        wordings_of: task -> the wordings it is asked in, each with the number of training items
            that it is chosen on: (1, 0) is its first beside the YAML, (0, 32) its best.
        bits: ask for the gold answers' bits per byte as well.
    """
    bases = list(dict.fromkeys(base for _, base, _ in models))
    ordered = sorted(
        dict.fromkeys(models), key=lambda m: (bases.index(m[1]), m[2] != "", models.index(m))
    )
    return [
        Job(name, base, specializer, suite_of(task), task, k, draw, limit, chat, *wording, bits)
        for name, base, specializer in ordered
        for k in dict.fromkeys(k for task in tasks for k in shots_of(task))
        for task in tasks
        if k in shots_of(task)
        for draw in range(draws if k else 1)
        for wording in wordings_of(task)
    ]
