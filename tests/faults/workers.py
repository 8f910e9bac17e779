"""Trials shared out to two processes: most of a life is one thread's work."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

WORKERS = 2
T = TypeVar("T")


def share_out(folder: Path, trials: Sequence[Callable[[], T]]) -> list[T]:
    """Do every trial and return what each came to, in no order.

    Forked, not threaded: a life is a fork of its trial's process, and a fork of a process with
    threads may stand still.

    Raises:
        SystemExit: a worker ended without its results: a fault of these tests themselves.
    """
    results = [folder / f"worker-{share}.pickle" for share in range(WORKERS)]
    children = []
    sys.stdout.flush()
    for share, result in enumerate(results):
        child = os.fork()
        if not child:
            try:
                result.write_bytes(pickle.dumps([trial() for trial in trials[share::WORKERS]]))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    if any(not result.exists() for result in results):
        raise SystemExit("a worker ended without results; see above")
    found = [part for result in results for part in pickle.loads(result.read_bytes())]
    for result in results:
        result.unlink()
    return found
