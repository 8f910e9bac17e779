"""Programs inside of data (templates, regular expressions), ended when they take too long.

A template can hold a loop of 10^10 rounds, a pattern can take a time that doubles with each
letter. Python's own alarm ends both on the main thread, where prompts are written and
answers are read; on other threads a second thread ends a template, which a pattern does not
notice. Memory is bounded by the address space, where the system has such a bound.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from harness.doors import limits
from harness.errors import UserError

# Where a step of `within` itself runs, and none of what it bounds.
_OVER = object()  # after the last of several steps
T = TypeVar("T")
_WAY_OUT = (contextlib.__file__, __file__)


class _TookTooLong(BaseException):
    """No `Exception`: nothing on the way may take it for a fault of its own."""


@contextmanager
def within(what: str, seconds: float, *, memory: int = 0) -> Iterator[None]:
    """Run what follows for so many seconds at most.

    Args:
        what: named in the message, with what to do ("the template ...: ... Correct it").
        memory: bytes that it may add to those in use; 0: no bound.
    Raises:
        UserError: it took longer, or more memory.
    """
    main = threading.current_thread() is threading.main_thread()
    alarm = _alarm if main and hasattr(signal, "setitimer") else _watched
    try:
        with alarm(seconds), _room(memory if main else 0):
            yield
    except _TookTooLong:
        raise UserError(f"{what}: still busy after {seconds:.0f} s, and ended.") from None
    except MemoryError:
        if not memory:
            raise
        raise UserError(f"{what}: takes more than {memory:,} bytes, and ended.") from None


@contextmanager
def room(memory: int, what: str) -> Iterator[None]:
    """Run what follows in so many bytes beside those now in use, on the main thread.

    Raises:
        UserError: it took more.
    """
    main = threading.current_thread() is threading.main_thread()
    try:
        with _room(memory if main else 0):
            yield
    except MemoryError:
        raise UserError(f"{what}: takes more than {memory:,} bytes, and ended.") from None


def each_within(steps: Iterator[T], what: str, memory: int) -> Iterator[T]:
    """The same values, each made with so many bytes beside those then in use at most.

    Raises:
        UserError: one took more.
    """
    while True:
        with room(memory, what):
            value = next(steps, _OVER)
        if value is _OVER:
            return
        yield value  # type: ignore[misc]


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    ended = False

    def ring(_number: int, frame: FrameType | None) -> None:
        if ended:
            return
        # One long step (a string of a gigabyte) may be over only now, by an error of its own:
        # raised on the way out of `within`, nothing would catch it there.
        if frame is not None and frame.f_code.co_filename in _WAY_OUT:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            return
        raise _TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    began = time.monotonic()
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # somebody else's alarm goes on
            signal.setitimer(
                signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), every
            )


@contextmanager
def _watched(seconds: float) -> Iterator[None]:
    thread = ctypes.c_ulong(threading.get_ident())
    over = threading.Lock()  # held: the work is done, nothing is to be ended any more

    def end() -> None:
        if over.acquire(blocking=False):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_TookTooLong))

    watch = threading.Timer(seconds, end)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        if not over.acquire(blocking=False):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)


@contextmanager
def _room(more: int) -> Iterator[None]:
    """So many bytes beside those of now."""
    try:
        import resource

        used = int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError, ValueError):
        yield  # no Linux: time alone is bounded
        return
    wanted = used + more
    if not more or 0 <= soft <= wanted or 0 <= hard <= wanted:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def template_fault(text: str) -> str:
    """Why a Jinja template is not rendered whatever it is given; "" where nothing is.

    A power of two numbers is computed in one step, which no alarm interrupts.
    """
    from jinja2 import Environment, nodes
    from jinja2.exceptions import TemplateError

    if len(text) > limits.TEMPLATE:
        return f"longer than {limits.TEMPLATE:,} letters"
    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(text)
    except (TemplateError, RecursionError, MemoryError):
        return ""  # told where it is rendered, with its own words
    return "takes a power (**)" if next(tree.find_all(nodes.Pow), None) else ""
