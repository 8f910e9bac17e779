"""Which plots a board's pages show: board -> `leaderboards.pages.plots`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from leaderboards.board import Average, Cell, Difference, Row, Section, in_points
from leaderboards.pages.plots import Bar, Curve, Stack, curves, forest, stacks
from leaderboards.pages.provenance import SweepCurves
from leaderboards.shown import limits, points
from leaderboards.text.marks import gap_marks

MOST_CURVES = 6  # that a reader can tell apart
MOST_BARS = 40  # a longer plot is no picture any more; the table has the rest
_EACH = (
    "Points of 100; the 95% intervals hold for all comparisons of the table at once, and those "
    "without 0 have a filled mark: significant after correction."
)
_FIRST = f"The first {MOST_BARS} of {{}}; the table has all."


def average_differences(key: str, section: Section) -> Markup | None:
    """Forest plot: each compared model's average difference."""
    found = [(row.label, row.average) for row in section.rows]
    return _forest(
        key,
        "Difference to the base, on average",
        _EACH,
        found,
    )


def task_differences(key: str, row: Row, section: Section) -> Markup | None:
    """Forest plot: one model's difference on each task, and on average."""
    found: list[tuple[str, Cell | Average | None]] = [
        (column.task, cell)
        for column, cell in zip(section.columns, row.cells, strict=True)
        if column.unit == "share"  # one axis for all
    ]
    return _forest(
        key,
        "Difference to the base, by task",
        _EACH,
        [*found, ("average", row.average)],
    )


def model_differences(key: str, rows: Iterable[tuple[Row, Cell]]) -> Markup | None:
    """Forest plot: each compared model's difference on one task."""
    return _forest(
        key,
        "Difference of each model to its base",
        _EACH,
        [(row.label, cell) for row, cell in rows],
    )


def difference_bar(label: str, gap: Difference) -> Bar:
    """A difference as a line of a forest plot."""
    return Bar(
        label=label,
        value=in_points(gap.value, gap.unit),
        low=in_points(gap.simultaneous.low, gap.unit),
        high=in_points(gap.simultaneous.high, gap.unit),
        sure=gap.significant and not gap.lacking,
        alone=limits(gap.interval, sign=True, unit=gap.unit),
        gain=gap.gain > 0,
        marks=gap_marks(gap),
    )


def _forest(
    key: str, title: str, description: str, found: Sequence[tuple[str, Cell | Average | None]]
) -> Markup | None:
    bars = [
        difference_bar(label, gap)
        for label, cell in found
        if cell is not None and (gap := cell.difference) is not None
    ]
    if not bars:
        return None
    if len(bars) > MOST_BARS:
        description = f"{description} {_FIRST.format(len(bars))}"
    return forest(key, title, description, bars[:MOST_BARS])


def score_against_cost(key: str, section: Section) -> Markup | None:
    """Each model's average over the tokens its specialisation trained on; bases stand at 0."""
    clouds = []
    for row in section.rows:
        if row.average is not None:
            low, high = (
                (100 * row.average.interval.low, 100 * row.average.interval.high)
                if row.average.interval
                else (None, None)
            )
            cost = float(row.cost.get("training_tokens", 0))
            clouds.append(Curve(row.label, ((cost, 100 * row.average.score, low, high),)))
    if not any(cloud.points[0][0] for cloud in clouds):
        return None
    return curves(
        key,
        "Score against cost",
        "Average score with 95% interval over the tokens trained on (logarithmic).",
        ("tokens trained on", "average score"),
        clouds,
        joined=False,
        log=True,
    )


def gain_parts(key: str, row: Row) -> Markup | None:
    """Format and knowledge part of each gain, stacked."""
    if not row.parts:
        return None
    found = [
        Stack(
            label=part.task,
            parts=(100 * part.format, 100 * part.knowledge),
            texts=(
                f"{points(part.gain, sign=True)} {limits(part.gain_interval, sign=True)}",
                f"{points(part.format, sign=True)} {limits(part.format_interval, sign=True)}",
                f"{points(part.knowledge, sign=True)} {limits(part.knowledge_interval, sign=True)}",
            ),
        )
        for part in row.parts
    ]
    return stacks(
        key,
        "Where the gain comes from",
        "Knowledge: what is gained where labels are ranked and no format can help. "
        "Format: the rest. The line marks their sum.",
        ("format", "knowledge"),
        found,
    )


def training_curves(key: str, lines: Sequence[Curve]) -> Markup:
    """The loss over the steps of a training, and on held-out examples."""
    return curves(
        key,
        "Training curve",
        "Loss in nats per response token after each step, and on held-out examples where these "
        "were measured: the adapter kept is that of their lowest.",
        ("step", "loss"),
        lines,
    )


def sweep_curves(key: str, sweep: SweepCurves) -> Markup | None:
    """Scores over a parameter; with many tasks, the average and its base alone."""
    if not sweep.curves:
        return None
    shown = sweep.curves if len(sweep.curves) <= MOST_CURVES else sweep.curves[:2]
    return curves(
        key,
        f"{sweep.model} by {sweep.parameter}, {sweep.shots}-shot",
        "Score in points of 100 with 95% interval; the level line is the base.",
        (sweep.parameter, "score"),
        shown,
    )
