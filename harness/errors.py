"""The two ways a run can end badly that are not bugs.

A user's mistake becomes one message without a traceback and exit code 2; the
message names the file and key, what was found, what was expected and the next
step. Everything else propagates with its traceback (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """Something the user can mend; the CLI prints it and exits with code 2."""


class UserErrors(UserError):
    """Several mistakes found together, one line each."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = tuple(messages)
        super().__init__("\n".join(self.messages))


class MissingExtra(UserError):
    """A part of the distribution that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs '{package}', which is not installed. "
            f"Install it with: pip install 'selfspec-bench[{extra}]'"
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known name, else ""."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
