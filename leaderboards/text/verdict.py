"""Differences -> words. No sentence of the study judges a number that did not come by here."""

from __future__ import annotations

from leaderboards.board import SIGNIFICANT, Difference, Interval
from leaderboards.shown import limits, points, probability
from leaderboards.text.marks import leak_mark

BETTER, WORSE = "better", "worse"
NONE_SHOWN = "no difference shown"
LACKING = "no verdict, too many answers are missing"
NOT_AFTER = "no difference shown after correction"


def verdict(gain: float, alone: Interval, p_holm: float) -> str:
    """What a gain, its interval alone and its corrected p allow to say.

    "better" and "worse" need p < 0.05, and so an interval drawn for all comparisons that
    is without 0. Where only the interval alone is clear the difference may be one of
    several lucky ones.

    Args:
        gain: above 0 is better, whatever the metric counts.
    """
    if p_holm < SIGNIFICANT:
        return BETTER if gain > 0 else WORSE
    return NONE_SHOWN if alone.low <= 0 <= alone.high else NOT_AFTER


def judged(found: Difference) -> str:
    """The verdict on a board's difference."""
    if found.lacking:
        return LACKING
    return verdict(found.gain, found.interval, found.p_holm)


def told(found: Difference) -> str:
    """The difference, its interval, its p and the verdict, as part of a sentence."""
    gap, span = points(found.value, sign=True, unit=found.unit) + leak_mark(found), _span(found)
    return f"{gap} {span}, p (Holm) {probability(found.p_holm)}: **{judged(found)}**"


def _span(found: Difference) -> str:
    """In a sentence square brackets begin a link."""
    shown = limits(found.simultaneous, sign=True, unit=found.unit)
    return shown.replace("[", "\\[").replace("]", "\\]")
