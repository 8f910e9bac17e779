"""How long a server asks to wait, and how a wait is told."""

from __future__ import annotations

import datetime
import email.utils
import math
import re
import time
from collections.abc import Mapping


def pause_in(said: str) -> float | None:
    """Seconds in "Please try again in 1m2.5s" or "retry in 250ms"; None where nothing is said."""
    found = re.search(
        r"(?:try again|retry) (?:in|after) (?:(\d+)h)?\s?(?:(\d+)m(?!s))?\s?(?:([\d.]+)\s?(ms|s))?",
        said,
        re.IGNORECASE,
    )
    if found is None or not any(found.groups()):
        return None
    hours, minutes, rest, unit = found.groups()
    seconds = float(rest) if rest and re.fullmatch(r"\d+(?:\.\d+)?", rest) else 0.0
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds / (1000 if unit == "ms" else 1)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait; None where it asks for none or makes no sense."""
    try:
        if "Retry-After-Ms" in headers:
            return _finite(float(headers["Retry-After-Ms"]) / 1000)
        return _finite(float(headers.get("Retry-After", "").strip().removesuffix("s")))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(headers.get("Retry-After", ""))
        return _finite(when.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _finite(seconds: float) -> float | None:
    return max(0.0, seconds) if math.isfinite(seconds) else None


def clock(seconds: float) -> str:
    """The time of day in so many seconds, with the day if it is another."""
    now = datetime.datetime.now()
    try:
        then = now + datetime.timedelta(seconds=max(0.0, seconds))
    except OverflowError:
        return "in ages"
    return then.strftime("%H:%M:%S" if then.date() == now.date() else "%Y-%m-%d %H:%M")


def span(seconds: float) -> str:
    """A span in the unit that suits it."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}".replace(".0 ", " ")
    return f"{seconds:.0f} s"
