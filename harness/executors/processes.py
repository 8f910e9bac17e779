"""One function over many inputs, on all cores of this machine, results in order.

For work of Python alone, which threads do not speed up. Workers are spawned:
they inherit nothing, so the result is that of the plain loop.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, TypeVar

from harness.errors import UserError

In = TypeVar("In")
Out = TypeVar("Out")

_mine: list[Callable[[Any], Any]] = []  # in a worker: what it does
_AHEAD = 2  # inputs handed out beyond those in work: bounds what is held in memory


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    function: Callable[[In], Out], inputs: Iterable[In], workers: int
) -> Iterator[Out]:
    """`map`, shared out to `workers` processes; with one worker it is `map`.

    What all calls need is sent to each process once where `function` is a `partial` of it.

    Args:
        function: a module's own function, so that a process can be told its name.
        inputs: read as they are needed, never far ahead of the results.

    Raises:
        UserError: a worker was ended from outside, as for want of memory.
    """
    if workers <= 1:
        yield from map(function, inputs)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, spawn, initializer=_begin, initargs=(function,))
    try:
        pending: deque[Future[Out]] = deque()
        for value in inputs:
            pending.append(pool.submit(_call, value))
            if len(pending) >= workers + _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            f"one of {workers} worker processes was ended from outside; too little memory? "
            "Run the command again: it goes on where it was."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(function: Callable[[Any], Any]) -> None:
    _mine.append(function)
    _end_with_parent()


def _call(value: Any) -> Any:
    return _mine[-1](value)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next input for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
