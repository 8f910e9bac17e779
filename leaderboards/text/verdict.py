"""Differences -> words. No sentence of the study judges a number that did not come by here."""

from __future__ import annotations

from leaderboards.board import Difference
from leaderboards.shown import limits, points, probability

BETTER, WORSE = "better", "worse"
NONE_SHOWN = "no difference shown"
NOT_AFTER = "no difference shown after correction"


def verdict(low: float, high: float, p_holm: float) -> str:
    """What an interval and a corrected p allow to say.

    "better" and "worse" need both: an interval without 0 and p < 0.05. Where only
    the interval is clear the difference may be one of several lucky ones.
    """
    if not (low > 0 or high < 0):
        return NONE_SHOWN
    if p_holm >= 0.05:
        return NOT_AFTER
    return BETTER if low > 0 else WORSE


def judged(found: Difference) -> str:
    """The verdict on a board's difference."""
    return verdict(found.interval.low, found.interval.high, found.p_holm)


def told(found: Difference) -> str:
    """The difference, its interval, its p and the verdict, as part of a sentence."""
    gap, span = points(found.value, sign=True, unit=found.unit), _span(found)
    return f"{gap} {span}, p (Holm) {probability(found.p_holm)}: **{judged(found)}**"


def _span(found: Difference) -> str:
    """In a sentence square brackets begin a link."""
    shown = limits(found.interval, sign=True, unit=found.unit)
    return shown.replace("[", "\\[").replace("]", "\\]")
