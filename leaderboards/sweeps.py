"""A score against a parameter: the points of a sweep with their intervals, as table, CSV, JSON.

The numbers are those of a board of the same records: each point is a row of it,
compared with the base on the same items. A flat or a falling curve is shown as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from harness.doors.seals import sealed
from harness.files import write_json, write_text
from harness.types import Json, Record
from leaderboards.board import Average, Cell, Difference, Interval, Row, Section
from leaderboards.build import build
from leaderboards.pages.plots import Curve
from leaderboards.shown import NOTHING, limits, points, task_name
from leaderboards.spec import BoardSpec
from leaderboards.text.grids import difference
from leaderboards.text.marks import LEAKED, MISSING, marks

FORMAT = 1
AVERAGE = "average"


@dataclass(frozen=True)
class Score:
    """A point on one curve, 0..1; the difference is to the base on the same items.

    `missing` is the share of answers that failed or were refused, `leaked` how many items were
    found in what the model was made from, `signs` what a board puts beside the score.
    """

    score: float
    low: float | None
    high: float | None
    difference: Difference | None
    n: int
    n_unparseable: int
    missing: float = 0.0
    leaked: int = 0
    signs: str = ""


@dataclass(frozen=True)
class Point:
    """One value of the parameter, a number or a choice.

    `scores` has an entry per curve ("average", then tasks). `examples` counts what was
    trained on (None where nothing was): a model that writes too little ends below what
    was asked. `data` is a digest of those examples, the same where two values led to the
    same data.
    """

    value: float | str
    artifact: str
    examples: int | None
    data: str
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Sweep:
    """One parameter's points at one number of shots, and the base beside them.

    `split`: whose items were asked; those of "train" are for choosing, and no result.

    A curve is there for the average over tasks, where there is one, and for each task; choices,
    which have no distance from one another, have points alone.
    """

    name: str
    model: str
    base: str
    parameter: str
    shots: int
    tasks: tuple[str, ...]
    points: tuple[Point, ...]
    base_scores: Mapping[str, Score]
    split: str = "test"

    def curves(self) -> list[Curve]:
        """Score against value, in points of 100."""
        made: list[Curve] = []
        numbers = [(p.value, p) for p in self.points if not isinstance(p.value, str)]
        if len(numbers) < len(self.points):
            return made
        for name in self.base_scores:
            found = [(value, p.scores[name]) for value, p in numbers if name in p.scores]
            made.append(
                Curve(
                    name,
                    tuple((x, 100 * s.score, _hundred(s.low), _hundred(s.high)) for x, s in found),
                )
            )
        return made


def value_text(value: float | str) -> str:
    """A value of the parameter as a reader sees it."""
    return value if isinstance(value, str) else f"{value:g}"


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


def sweep_of(
    name: str,
    parameter: str,
    points: Sequence[tuple[float | str, Mapping[str, Any], Sequence[Record]]],
    base: Sequence[Record],
) -> list[Sweep]:
    """The sweeps of a parameter, one for each number of shots.

    Args:
        points: (value, the artifact's manifest, its records), in the order to show.
        base: the records of the base on the same tasks.
    """
    label = {value: f"{parameter}={value_text(value)}" for value, _, _ in points}
    named = [
        replace(record, manifest={**record.manifest, "model": label[value]})
        for value, _, records in points
        for record in records
    ]
    split = base[0].manifest.get("split", "test")
    board = build([*base, *named], BoardSpec(name=name, split=split))
    model, weights = points[0][2][0].manifest["model"], base[0].manifest["model"]
    return [
        _sweep(name, parameter, model, weights, section, points, label, split)
        for section in board.sections
    ]


def _sweep(
    name: str,
    parameter: str,
    model: str,
    base: str,
    section: Section,
    points: Sequence[tuple[float | str, Mapping[str, Any], Sequence[Record]]],
    label: Mapping[float | str, str],
    split: str,
) -> Sweep:
    rows = {row.model: row for row in section.rows}
    rows[base] = _base_row(section, base)
    return Sweep(
        name=name,
        model=model,
        base=base,
        parameter=parameter,
        shots=section.shots,
        split=split,
        tasks=tuple(_names(section)),
        points=tuple(
            Point(
                value=value,
                artifact=manifest["digest"],
                examples=manifest["facts"].get("training", {}).get("examples"),
                data=manifest["files"].get("data.jsonl", ""),
                scores=_scores(rows[label[value]], section),
            )
            for value, manifest, _ in points
        ),
        base_scores=_scores(rows[base], section),
    )


def _base_row(section: Section, base: str) -> Row:
    """The row that the points are compared with, where the base stands under two dtypes."""
    others = [
        cell.difference.other
        for row in section.rows
        if row.model != base
        for cell in row.cells
        if cell is not None and cell.difference is not None
    ]
    bases = [row for row in section.rows if row.model == base]
    return next((row for row in bases if row.label in others), bases[0])


def _names(section: Section) -> list[str]:
    """The columns' names, told apart where two suites, versions or decodings share one."""
    return [task_name(column, section.columns) for column in section.columns]


def _scores(row: Row, section: Section) -> dict[str, Score]:
    scores = {}
    if row.average is not None:
        counted = [
            cell
            for column, cell in zip(section.columns, row.cells, strict=True)
            if column.in_average
        ]
        n = sum(cell.n for cell in counted if cell)
        unparseable = sum(cell.n_unparseable for cell in counted if cell)
        scores[AVERAGE] = _score(row.average, row.average.score, n, unparseable)
    for task, cell in zip(_names(section), row.cells, strict=True):
        if cell is not None and cell.score is not None:
            scores[task] = _score(cell, cell.score, cell.n, cell.n_unparseable)
    return scores


def _score(entry: Average | Cell, score: float, n: int, unparseable: int) -> Score:
    span = entry.interval
    low, high = (span.low, span.high) if span else (None, None)
    return Score(
        score, low, high, entry.difference, n, unparseable, entry.missing, entry.leaked,
        marks(entry),
    )  # fmt: skip


def notes(sweep: Sweep) -> list[str]:
    """What a reader of the curve must know: values that led to the same training data, and items
    that are no test."""
    told = (
        ["Asked on items of the training splits, to choose among variants: no result of a test."]
        if sweep.split == "train"
        else []
    )
    every = [sweep.base_scores, *(point.scores for point in sweep.points)]
    scores = [score for one in every for score in one.values()]
    if any(score.missing for score in scores):
        told.append(
            f"{MISSING} that share of the answers is missing (failed or refused calls): scored on "
            "the others."
        )
    gaps = [score.difference for score in scores if score.difference]
    if any(score.leaked for score in scores) or any(gap.leaks for gap in gaps):
        told.append(
            f"{LEAKED} so many items were found in what the model was made from (of a difference: "
            "in what either of the two was)."
        )
    same: dict[str, list[Point]] = {}
    for point in sweep.points:
        if point.data:
            same.setdefault(point.data, []).append(point)
    return told + [
        f"{sweep.parameter} = {', '.join(value_text(p.value) for p in group)}: trained on the same "
        f"{group[0].examples} examples, so these points do not differ in data."
        for group in same.values()
        if len(group) > 1
    ]


def as_json(sweeps: Sequence[Sweep], facts: Json) -> Json:
    """The file `sweeps/<name>.json`; docs/sweep.md names every key.

    Args:
        facts: what was the same at every point (budget, settings, domain, ...).
    """
    first = sweeps[0]
    return {
        "format": FORMAT,
        "name": first.name,
        "model": first.model,
        "base": first.base,
        "parameter": first.parameter,
        "split": first.split,
        **facts,
        "sections": [
            {
                "shots": sweep.shots,
                "tasks": list(sweep.tasks),
                "base": {name: _rounded(score) for name, score in sweep.base_scores.items()},
                "points": [
                    {
                        **{key: value for key, value in vars(point).items() if key != "scores"},
                        "scores": {name: _rounded(score) for name, score in point.scores.items()},
                    }
                    for point in sweep.points
                ],
                "curves": [
                    {
                        "label": curve.label,
                        "points": [[_six(part) for part in point] for point in curve.points],
                    }
                    for curve in sweep.curves()
                ],
                "notes": notes(sweep),
            }
            for sweep in sweeps
        ],
    }


def _rounded(score: Score) -> Json:
    content = asdict(score)
    gap = content.pop("difference")
    del content["signs"]
    content = {key: _six(value) for key, value in content.items()}
    if gap is not None:
        span, drawn = gap["interval"], gap["simultaneous"]
        content["difference"] = {
            "value": _six(gap["value"]),
            "low": _six(span["low"]),
            "high": _six(span["high"]),
            "simultaneous_low": _six(drawn["low"]),
            "simultaneous_high": _six(drawn["high"]),
            "p_holm": _six(gap["p_holm"]),
            **({"leaks": gap["leaks"]} if gap["leaks"] else {}),
            **({"lower_is_better": True} if gap["lower_is_better"] else {}),
        }
    return content


def _six(value: Any) -> Any:
    """Six digits, so that the last bits of a sum never reach a file."""
    return round(value, 6) + 0.0 if isinstance(value, float) else value


_CSV = (
    "shots", "parameter", "value", "examples", "curve", "score", "low", "high",
    "difference", "difference_low", "difference_high", "difference_simultaneous_low",
    "difference_simultaneous_high", "p_holm", "n", "n_unparseable", "missing", "leaked",
    "paired_leaked",
)  # fmt: skip


_GAP = ("value", "low", "high", "simultaneous_low", "simultaneous_high", "p_holm")


def as_csv(sweeps: Sequence[Sweep]) -> str:
    """A line for each point of each curve; the base's have no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV)
    for sweep in sweeps:
        base = [("", "", name, score) for name, score in sweep.base_scores.items()]
        made = [
            (value_text(point.value), "" if point.examples is None else point.examples, name, score)
            for point in sweep.points
            for name, score in point.scores.items()
        ]
        for value, examples, name, score in [*base, *made]:
            row = _rounded(score)
            gap = row.get("difference", {})
            numbers = [gap.get(key, "") for key in _GAP]
            head = [sweep.shots, sweep.parameter, value, examples, name]
            spans = ["" if row[key] is None else row[key] for key in ("score", "low", "high")]
            counts = [row[key] for key in ("n", "n_unparseable", "missing", "leaked")]
            leaks = score.difference.leaks if score.difference else ""
            writer.writerow([*head, *spans, *numbers, *counts, leaks])
    return text.getvalue()


def write_sweep(sweeps: Sequence[Sweep], facts: Json, folder: Path) -> Path:
    """Write `<name>.json` and `<name>.csv` into `folder`; return the former."""
    path = folder / f"{sweeps[0].name}.json"
    write_text(path.with_suffix(".csv"), as_csv(sweeps))
    write_json(path, sealed(as_json(sweeps, facts)))
    return path


def render_terminal(sweep: Sweep) -> Table:
    """The average against the parameter; each task where there is only one."""
    shown = [AVERAGE] if AVERAGE in sweep.base_scores else list(sweep.base_scores)
    title = f"{sweep.model} by {sweep.parameter}, {sweep.shots} shots"
    title += ", on items of the training split" if sweep.split == "train" else ""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (sweep.parameter, "examples"):
        table.add_column(name, justify="right")
    for name in shown:
        table.add_column(name, justify="right")
        table.add_column(f"against {sweep.base}", justify="right")
    table.add_column("unparseable", justify="right")
    rows: list[tuple[str, int | None, Mapping[str, Score]]] = [
        (sweep.base, None, sweep.base_scores)
    ]
    rows += [(value_text(point.value), point.examples, point.scores) for point in sweep.points]
    for value, examples, scores in rows:
        cells = [value, NOTHING if examples is None else str(examples)]
        for name in shown:
            score = scores.get(name)
            cells += (
                [
                    f"{points(score.score)}{score.signs} {_span(score)}".strip(),
                    difference(score.difference),
                ]
                if score
                else [NOTHING, NOTHING]
            )
        asked = sum(scores[name].n for name in shown if name in scores)
        missed = sum(scores[name].n_unparseable for name in shown if name in scores)
        table.add_row(*cells, f"{points(missed / asked)} %" if asked else NOTHING)
    return table


def _span(score: Score) -> str:
    return limits(
        None if score.low is None or score.high is None else Interval(score.low, score.high)
    )
