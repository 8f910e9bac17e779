"""Plots as inline SVG: no script, no library, readable on a phone, light or dark.

Across, places are percentages, so a plot is as wide as its page; down, they are
pixels, so text keeps its size. Colours come from the page's style sheet.
Each plot has a title and a description for screen readers and its numbers as a
table beside it. All numbers are printed with fixed digits: the same data, the
same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from leaderboards.text.escape import visible

Point = tuple[float, float, float | None, float | None]
_ROW = 40  # pixels: a line of text above a line of data
_HEIGHT = 260  # pixels of a plot with two axes
_LEFT, _RIGHT = 9.0, 96.0  # percent: room for the numbers of the y axis
_COLOURS = 6  # in the style sheet; further curves begin again
_MOST_LABELS = 12  # in a cloud of points; of more, the table has the names
_LABEL = 14.0  # pixels a label takes down, and
_NEAR = 35.0  # percent across within which two may meet on a phone


@dataclass(frozen=True)
class Bar:
    """A difference with its interval, on a line of its own.

    `sure` where it is significant; `marks` stand on its value; `alone` is its interval were it
    the only one, as text; `gain` whether it is for the better.
    """

    label: str
    value: float
    low: float | None
    high: float | None
    sure: bool
    alone: str
    gain: bool
    marks: str


@dataclass(frozen=True)
class Stack:
    """Two parts that add up to a whole; either may be negative."""

    label: str
    parts: tuple[float, float]
    texts: tuple[str, str, str]


@dataclass(frozen=True)
class Curve:
    """A line through (x, value, low, high); low and high are None where there is no interval."""

    label: str
    points: tuple[Point, ...]


def forest(key: str, title: str, description: str, bars: Sequence[Bar]) -> Markup:
    """Differences with their intervals around zero, in points; `sure` ones are filled.

    `key` is unique on the page.
    """
    ends = [abs(end) for bar in bars for end in (bar.value, bar.low, bar.high) if end is not None]
    ticks = _ticks(-max([*ends, 0.5]), max([*ends, 0.5]))
    scale = _Scale(ticks[0], ticks[-1], 2.0, 98.0)
    height = _ROW * len(bars)
    body = [_grid(scale, ticks, height), _line(scale(0), 0, scale(0), height, "zero")]
    for number, bar in enumerate(bars):
        y = number * _ROW
        kind = "sure" if bar.sure else "unsure"
        side = "up" if bar.gain else "down"
        text = signed(bar.value) + bar.marks
        body.append(text_at(0, y + 14, bar.label, "name"))
        body.append(text_at(100, y + 14, f"{text} {_interval(bar)}", "number end"))
        if bar.low is not None and bar.high is not None:
            body.append(
                _line(scale(bar.low), y + 27, scale(bar.high), y + 27, f"span {kind} {side}")
            )
        body.append(_dot(scale(bar.value), y + 27, f"dot {kind} {side}"))
    rows = [
        (bar.label, signed(bar.value) + bar.marks, _interval(bar), bar.alone, _yes(bar.sure))
        for bar in bars
    ]
    head = ("", "difference", "95% interval", "alone", "significant")
    return figure(key, title, description, height + 22, body, head, rows)


def stacks(
    key: str, title: str, description: str, names: tuple[str, str], rows: Sequence[Stack]
) -> Markup:
    """Two parts of each gain, stacked from zero outwards, with their sum as a mark."""
    ends = [0.0]
    for row in rows:
        ends += [sum(part for part in row.parts if part > 0), sum(p for p in row.parts if p < 0)]
    ticks = _ticks(min(*ends, -0.5), max(*ends, 0.5))
    scale = _Scale(ticks[0], ticks[-1], 2.0, 98.0)
    height = _ROW * len(rows)
    body = [_grid(scale, ticks, height)]
    for number, row in enumerate(rows):
        y = number * _ROW
        body.append(text_at(0, y + 14, row.label, "name"))
        body.append(text_at(100, y + 14, f"{signed(sum(row.parts))} in all", "number end"))
        reached = {True: 0.0, False: 0.0}
        for place, part in enumerate(row.parts):
            start = reached[part > 0]
            reached[part > 0] += part
            left, right = sorted((scale(start), scale(start + part)))
            body.append(
                Markup(
                    '<rect x="{:.2f}%" y="{}" width="{:.2f}%" height="11" class="part{}"/>'
                ).format(left, y + 21, right - left, place)
            )
        total = scale(sum(row.parts))
        body.append(_line(total, y + 18, total, y + 35, "total"))
    body.append(_line(scale(0), 0, scale(0), height, "zero"))
    legend = _legend([(f"part{place}", name) for place, name in enumerate(names)])
    head = ("", "gain", *names)
    table = [(row.label, *row.texts) for row in rows]
    return figure(key, title, description, height + 22, body, head, table, legend)


def curves(
    key: str,
    title: str,
    description: str,
    axes: tuple[str, str],
    lines: Sequence[Curve],
    *,
    joined: bool = True,
    log: bool = False,
) -> Markup:
    """Values with intervals over x; unless `joined` each curve is a cloud of labelled points.

    `log` spaces x by its logarithm; 0 stands a power of ten left of the smallest.
    """
    points = [point for line in lines for point in line.points]
    highest = [end for _, value, _, high in points for end in (value, high) if end is not None]
    lowest = [end for _, value, low, _ in points for end in (value, low) if end is not None]
    y_ticks = _ticks(min(lowest), max(highest))
    across_values = [point[0] for point in points]
    x_ticks = _log_ticks(across_values) if log else _ticks(min(across_values), max(across_values))
    warp = _logarithm(x_ticks) if log else float
    across = _Scale(warp(x_ticks[0]), warp(x_ticks[-1]), _LEFT, _RIGHT)
    down = _Scale(y_ticks[0], y_ticks[-1], _HEIGHT, 12)
    body = []
    for tick in y_ticks:
        body.append(_line(_LEFT, down(tick), _RIGHT, down(tick), "grid"))
        body.append(text_at(_LEFT - 1.5, down(tick) + 4, _number(tick), "number end"))
    for tick in x_ticks:
        side = "end" if tick == x_ticks[-1] else "middle"
        body.append(text_at(across(warp(tick)), _HEIGHT + 18, _number(tick), f"number {side}"))
    body.append(text_at(_RIGHT, _HEIGHT + 36, axes[0], "axis end"))
    for number, line in enumerate(lines):
        colour = f"c{number % _COLOURS}"
        at = [(across(warp(x)), value, low, high) for x, value, low, high in line.points]
        for x, _, low, high in at:
            if low is not None and high is not None:
                body.append(_line(x, down(low), x, down(high), f"whisker {colour}"))
        if joined:
            for (x, value, *_), (x_next, value_next, *_) in pairwise(at):
                body.append(_line(x, down(value), x_next, down(value_next), f"curve {colour}"))
        for x, value, *_ in at if len(at) <= 60 or not joined else ():
            body.append(_dot(x, down(value), f"dot {colour}", line.label))
    if not joined and len(lines) <= _MOST_LABELS:
        places = [(across(warp(line.points[0][0])), down(line.points[0][1])) for line in lines]
        for number, (line, y) in enumerate(zip(lines, _apart(places), strict=True)):
            x = places[number][0]
            side, shift = ("end", -2.2) if x > 60 else ("", 2.2)
            body.append(text_at(x + shift, y, line.label, f"name t{number % _COLOURS} {side}"))
    rows = [
        (line.label, _number(x), f"{value:.4g}", _limits(low, high))
        for line in lines
        for x, value, low, high in line.points
    ]
    legend = _legend([(f"c{n % _COLOURS}", line.label) for n, line in enumerate(lines)])
    head = ("", *axes, "95% interval")
    many = joined and len(lines) > 1
    return figure(key, title, description, _HEIGHT + 42, body, head, rows, legend if many else "")


class _Scale:
    """Values -> places, linear."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = low, start
        self._step = (end - start) / ((high - low) or 1.0)

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) * self._step


def _ticks(low: float, high: float) -> list[float]:
    """Three to eight round numbers that hold both ends between them."""
    rough = ((high - low) or abs(high) or 1.0) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * number, 10) + 0.0 for number in range(first, max(last, first + 1) + 1)]


def _log_ticks(values: Sequence[float]) -> list[float]:
    """0 and the powers of ten that hold all positive values between them."""
    positive = [math.log10(value) for value in values if value > 0]
    first = math.floor(min(positive) + 1e-9)
    last = max(first + 1, math.ceil(max(positive) - 1e-9))
    return [0.0, *(10.0**power for power in range(first, last + 1))]


def _logarithm(ticks: Sequence[float]) -> Callable[[float], float]:
    """A scale on which neighbours among `_log_ticks`, 0 too, are equally far apart."""
    first = math.log10(ticks[1]) - 1
    return lambda value: math.log10(value) - first if value > 0 else 0.0


def _apart(places: Sequence[tuple[float, float]]) -> list[float]:
    """How far down the label of each point (percent across, pixels down) stands.

    Beside its point, or as far below as it takes not to cover a label near it.
    """
    placed: list[tuple[float, float]] = []
    result = [0.0] * len(places)
    for number in sorted(range(len(places)), key=lambda number: places[number][::-1]):
        x, y = places[number]
        lowest = max((at for other, at in placed if abs(other - x) < _NEAR), default=-_LABEL)
        result[number] = max(y + 4, lowest + _LABEL)
        placed.append((x, result[number]))
    return result


def _grid(scale: _Scale, ticks: Sequence[float], height: int) -> Markup:
    parts = []
    for tick in ticks:
        side = "start" if tick == ticks[0] else "end" if tick == ticks[-1] else "middle"
        parts.append(_line(scale(tick), 0, scale(tick), height, "grid"))
        parts.append(text_at(scale(tick), height + 16, signed(tick), f"number {side}"))
    return Markup("").join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line x1="{:.2f}%" y1="{:.1f}" x2="{:.2f}%" y2="{:.1f}" class="{}"/>').format(
        x1, y1, x2, y2, kind
    )


def _dot(x: float, y: float, kind: str, told: str = "") -> Markup:
    inner = Markup("<title>{}</title>").format(visible(told)) if told else ""
    return Markup('<circle cx="{:.2f}%" cy="{:.1f}" r="4.5" class="{}">{}</circle>').format(
        x, y, kind, inner
    )


def text_at(x: float, y: float, text: str, kind: str) -> Markup:
    return Markup('<text x="{:.2f}%" y="{:.1f}" class="{}">{}</text>').format(
        x, y, kind, visible(text)
    )


def _legend(entries: Sequence[tuple[str, str]]) -> Markup:
    items = [
        Markup('<li><i class="swatch {}"></i>{}</li>').format(kind, visible(name))
        for kind, name in entries
    ]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def figure(
    key: str,
    title: str,
    description: str,
    height: int,
    body: Sequence[Markup],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    legend: Markup | str = "",
) -> Markup:
    table = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<th scope="row">{}</th>' if n == 0 else "<td>{}</td>").format(visible(cell))
                for n, cell in enumerate(row)
            )
        )
        for row in rows
    )
    heads = Markup("").join(
        Markup('<th scope="col">{}</th>').format(name) if name else Markup("<td></td>")
        for name in head
    )
    return Markup(
        '<figure class="plot"><figcaption><b>{title}</b> {description}</figcaption>{legend}'
        '<svg role="img" aria-labelledby="{key}-title {key}-desc" width="100%" height="{height}">'
        '<title id="{key}-title">{title}</title><desc id="{key}-desc">{description}</desc>'
        "{body}</svg>"
        '<details><summary>The numbers of this plot</summary><div class="scroll" tabindex="0"'
        ' role="region" aria-label="Numbers: {title}"><table><thead><tr>{heads}</tr></thead>'
        "<tbody>{table}</tbody></table></div></details></figure>"
    ).format(
        key=key, title=visible(title), description=visible(description), legend=legend,
        height=height, body=Markup("").join(body), heads=heads, table=table,
    )  # fmt: skip


def signed(value: float) -> str:
    """One decimal, with a sign and a true minus."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _interval(bar: Bar) -> str:
    return "" if bar.low is None or bar.high is None else f"[{signed(bar.low)}, {signed(bar.high)}]"


def _limits(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.4g}, {high:.4g}]"


def _yes(sure: bool) -> str:
    return "yes" if sure else "no"


def _number(value: float) -> str:
    """Up to four digits; thousands and millions by their letters."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g} {letter}"
    return f"{value:.4g}".replace("-", "−")
