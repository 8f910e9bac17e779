"""Tell the user how far a long step is.

A terminal gets rich bars with rate and time left, a notebook one line that is
rewritten; a pipe or log gets a plain line every few seconds; `--quiet` gets nothing.
Steps that end within a second draw nothing.
"""

from __future__ import annotations

import html
import sys
import time
from types import TracebackType
from typing import Any, TextIO

from harness.doors.terminal import open_console, say
from harness.doors.text import plain
from harness.types import Progress

EVERY = 10.0  # seconds between a log's lines
REDRAWN = 0.25  # seconds between two states of a bar


class NullProgress:
    """Says nothing."""

    def start(self, label: str, total: int, unit: str) -> None:
        """Begin a step of `total` units."""

    def advance(self, count: int) -> None:
        """`count` more units are done."""

    def finish(self) -> None:
        """The step is over."""

    def say(self, line: str) -> None:
        """Print one line."""


class PlainProgress:
    """A line at the start of a step and every few seconds, for logs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._label, self._unit, self._total, self._done = "", "", 0, 0
        self._began = self._spoke = 0.0

    def start(self, label: str, total: int, unit: str) -> None:
        self._label, self._unit, self._total, self._done = label, unit, total, 0
        self._began = self._spoke = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._spoke >= EVERY:
            self._spoke = now
            rate = self._done / (now - self._began)
            left = f", {max(self._total - self._done, 0) / rate:.0f} s left" if rate else ""
            self.say(
                f"{self._label}: {self._done}/{self._total} {self._unit} "
                f"({rate:.1f} {self._unit}/s{left})"
            )

    def finish(self) -> None:
        seconds = time.monotonic() - self._began
        if seconds >= 1:
            self.say(f"{self._label}: {self._done} {self._unit} in {seconds:.0f} s")

    def say(self, line: str) -> None:
        say(line, to=self._stream)


class RichProgress:
    """Bars on a terminal: label, bar, done/total, rate, time left."""

    def __init__(self) -> None:
        self._console = open_console(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._args: tuple[str, int, str] = ("", 0, "")
        self._done, self._began, self._drawn = 0, 0.0, 0.0

    def start(self, label: str, total: int, unit: str) -> None:
        self.finish()
        self._args, self._done = (label, total, unit), 0
        self._began = self._drawn = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._began >= 1 and now - self._drawn >= REDRAWN:
            self._drawn = now
            if self._bar is None:
                self._draw()
            self._update()

    def _draw(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        label, total, unit = self._args
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} " + unit + "/s", markup=False),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bar.start()
        self._task = self._bar.add_task(plain(label), total=total, completed=self._done, rate="")

    def _update(self) -> None:
        rate = f"{self._done / (time.monotonic() - self._began):.1f}"
        self._bar.update(self._task, completed=self._done, rate=rate)

    def finish(self) -> None:
        if self._bar is not None:
            self._update()
            self._bar.stop()
            self._bar = None

    def say(self, line: str) -> None:
        self._console.print(plain(line, lines=True))


class NotebookProgress:
    """One line below the cell that is rewritten: label, bar, done/total, rate, time left."""

    def __init__(self) -> None:
        self._label, self._unit, self._total, self._done = "", "", 0, 0
        self._began = self._drawn = 0.0
        self._shown: Any = None

    def start(self, label: str, total: int, unit: str) -> None:
        self.finish()
        self._label, self._unit, self._total, self._done = label, unit, total, 0
        self._began = self._drawn = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._began >= 1 and now - self._drawn >= REDRAWN:
            self._drawn = now
            self._draw(now - self._began)

    def _draw(self, seconds: float) -> None:
        from IPython.display import HTML, display

        rate = self._done / seconds
        left = f", {max(self._total - self._done, 0) / rate:.0f} s left" if rate else ""
        line = HTML(
            f"{html.escape(self._label)} <progress max='{self._total}' value='{self._done}'>"
            f"</progress> {self._done}/{self._total} {html.escape(self._unit)} "
            f"({rate:.1f}/s{left})"
        )
        if self._shown is None:
            self._shown = display(line, display_id=True)
        else:
            self._shown.update(line)

    def finish(self) -> None:
        if self._shown is not None:
            self._draw(max(time.monotonic() - self._began, 1e-9))
            self._shown = None

    def say(self, line: str) -> None:
        say(line)


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook, whose cells show more than text."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def open_progress(quiet: bool) -> Progress:
    """The progress display that suits a notebook, or where stderr goes."""
    if quiet:
        return NullProgress()
    if _in_notebook():
        return NotebookProgress()
    return RichProgress() if sys.stderr.isatty() else PlainProgress()


class Step:
    """`with Step(progress, "score", 100, "items") as step: step.advance(1)`."""

    def __init__(self, progress: Progress, label: str, total: int, unit: str) -> None:
        self._progress, self._args = progress, (label, total, unit)

    def __enter__(self) -> Progress:
        self._progress.start(*self._args)
        return self._progress

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.finish()
