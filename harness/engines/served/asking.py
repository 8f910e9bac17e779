"""Many requests to a server at a time: each asked once, in order, kept as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Literal

from harness.engines.base import Call
from harness.engines.served.client import Broken, Client, Refused
from harness.errors import UserError
from harness.types import Response

# So many requests without one answer, and the rest is not asked.
HOPELESS = 16


def ask_each(
    client: Client,
    order: Sequence[int],
    concurrency: int,
    kind: Literal["loglikelihood", "generation"],
    answer: Callable[[Client, int], Response],
    *,
    begun: bool,
) -> Iterator[Call]:
    """Answers as they come, `concurrency` at a time, none twice.

    A worker asks for nothing more before its answer is taken. The threads are
    daemons: an interrupt does not wait for what is under way.

    Args:
        order: indices of the requests to ask.
        begun: others of the job were answered before.
    Raises:
        UserError: none of the first requests was answered, in the server's words.
    """
    todo = iter(order)
    room, lock = threading.Semaphore(concurrency), threading.Lock()
    done: SimpleQueue[tuple[int, Response | BaseException]] = SimpleQueue()

    def work() -> None:
        while True:
            room.acquire()
            with lock:
                index = next(todo, None)
            if index is None or client.stopped.is_set():
                return
            try:
                done.put((index, answer(client, index)))
            except (ValueError, Refused, Broken) as error:
                # The server's fault with this one request: an item without a score.
                filtered = isinstance(error, Refused) and error.fault.filtered
                status: Literal["refused", "error"] = "refused" if filtered else "error"
                done.put((index, Response(kind, status=status, error=str(error))))
            except BaseException as error:
                done.put((index, error))
                return

    for _ in range(min(concurrency, len(order))):
        threading.Thread(target=work, daemon=True).start()
    hopeless = 0 if begun else min(len(order), HOPELESS)
    try:
        for number in range(1, len(order) + 1):
            index, found = done.get()
            if isinstance(found, BaseException):
                raise found
            if found.status != "error":
                hopeless = 0
            if number == hopeless:
                raise UserError(
                    f"{client.url}: none of {number} requests was answered; the last: "
                    f"{found.error}. The rest was not asked. Mend that and run the same command "
                    "again."
                )
            yield [(index, found)]
            room.release()
    finally:
        client.stopped.set()
        room.release(concurrency)
