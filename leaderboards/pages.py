"""A board as a static site: overview, a page per task and per model, no server, no network.

Everything a model wrote is data, never markup: templates escape it, item data
lies in scripts of plain JSON that pages load when asked and show as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import write_text
from harness.leakage import LEAKED
from harness.types import Json, Record
from leaderboards.board import Average, Board, Cell, Column, Row
from leaderboards.gather import ByDraw, gather
from leaderboards.spec import BoardSpec
from leaderboards.tables import difference, legend, limits, places, points, probability

FOLDER = Path(__file__).parent / "templates"
_ASSETS = ("board.css", "board.js")


@dataclass(frozen=True)
class Place:
    """A task's page and the folder of its item data, relative to the site."""

    page: str
    data: str


def write_pages(
    board: Board, records: Iterable[Record], spec: BoardSpec, out: Path, *, published: bool = False
) -> list[Path]:
    """Write the site of `board` into `out`; return the pages, the overview first.

    Args:
        records, spec: what the board was built from; the items come from here.
        published: leave out answers and targets of tasks whose text may not be
            passed on (`redistribute` on their card).
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": points, "limits": limits, "places": places, "difference": difference,
        "probability": probability, "bar": bar, "gap_bar": gap_bar, "meaning": meaning,
    }  # fmt: skip
    labels = sorted({row.label for section in board.sections for row in section.rows})
    model_pages = {
        label: f"model-{number}-{_slug(label)}.html" for number, label in enumerate(labels)
    }
    places_of = [
        [_place(number, index, column) for index, column in enumerate(section.columns)]
        for number, section in enumerate(board.sections)
    ]
    shared = {"board": board, "model_pages": model_pages, "legend": legend(board)}
    written = {
        "index.html": environment.get_template("overview.html").render(**shared, places=places_of)
    }
    for section, raw, section_places in zip(
        board.sections, gather(records, spec), places_of, strict=True
    ):
        for index, (column, cells) in enumerate(zip(section.columns, raw.columns, strict=True)):
            place = section_places[index]
            shown = column.redistribute or not published
            rows = [(row, row.cells[index]) for row in section.rows if row.cells[index]]
            files = {row.label: f"{place.data}/{number}.js" for number, (row, _) in enumerate(rows)}
            first, second = _beside([(row, row.cells[index]) for row in section.rows])
            written[place.page] = environment.get_template("task.html").render(
                **shared,
                section=section, column=column, rows=rows, shown=shown,
                first=first, second=second,
                files=[{"label": label, "file": file} for label, file in files.items()],
            )  # fmt: skip
            for label, file in files.items():
                items = item_data(cells.cells[label], column.metric, shown=shown)
                written[file] = _script(file, items)
    for label, page in model_pages.items():
        found = [
            (section, row, places_of[number])
            for number, section in enumerate(board.sections)
            for row in section.rows
            if row.label == label
        ]
        written[page] = environment.get_template("model.html").render(
            **shared, label=label, found=found, facts=_facts(found[0][1])
        )
    for name in _ASSETS:
        written[name] = (FOLDER / name).read_text(encoding="utf-8")
    for name, text in written.items():
        write_text(out / name, text)
    return [out / name for name in written if name.endswith(".html")]


def _beside(rows: Iterable[tuple[Row, Cell | None]]) -> tuple[str, str]:
    """The two models a task's page opens with: a base and what was made of it, if any."""
    present = [(row.label, cell) for row, cell in rows if cell is not None]
    compared = [(cell.difference.other, label) for label, cell in present if cell.difference]
    return compared[0] if compared else (present[0][0], present[-1][0])


def item_data(draws: ByDraw, metric: str, *, shown: bool) -> list[Json]:
    """A model's items on a task, one object each, in the order of their ids."""
    rows = []
    for draw, record in draws.items():
        for item in record.items:
            row: Json = {
                "id": str(item["id"]),
                "draw": draw,
                "status": item["status"],
                "score": item["metrics"].get(metric),
                "right": _right(item["metrics"].get(metric), _aggregation(record, metric)),
                "leaked": LEAKED in item.get("flags", ()),
            }
            if shown:
                row |= {"answer": str(item["answer"]), "target": list(map(str, item["target"]))}
            rows.append(row)
    return sorted(rows, key=lambda row: (row["id"], row["draw"]))


def _aggregation(record: Record, metric: str) -> str:
    return str(record.manifest["metrics"][metric]["aggregation"])


def _right(value: Any, aggregation: str) -> bool | None:
    """Whether an answer is wholly right; None where nothing was scored."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        if aggregation == "macro_f1":  # gold and predicted label
            return bool(value[0] == value[1])
        # true positives, false positives, false negatives, perhaps per label
        return not any(count for place, count in enumerate(value) if place % 3)
    return bool(value >= 1)


def bar(cell: Cell | Average | None) -> str:
    """Where score and interval lie on a scale of 0 to 100, as CSS variables."""
    if cell is None or cell.score is None or cell.interval is None:
        return ""
    return (
        f"--low:{100 * cell.interval.low:.1f};--high:{100 * cell.interval.high:.1f};"
        f"--at:{100 * cell.score:.1f}"
    )


def gap_bar(cell: Cell | Average | None) -> str:
    """The same for a difference, on a scale of -100 to 100."""
    if cell is None or cell.difference is None:
        return ""
    found = cell.difference
    low, high, at = (
        50 + 50 * value for value in (found.interval.low, found.interval.high, found.value)
    )
    return f"--low:{low:.1f};--high:{high:.1f};--at:{at:.1f}"


def meaning(cell: Cell) -> str:
    """A cell in words: what hovering shows and a screen reader says."""
    text = f"{points(cell.score)} points, 95% interval {limits(cell.interval) or 'not known'}; "
    text += f"{cell.n_scored} of {cell.n} items scored, {cell.n_unparseable} unparseable"
    if cell.n_error:
        text += f", {cell.n_error} calls failed"
    gap = cell.difference
    if gap is not None:
        verdict = "differs" if gap.significant else "does not differ significantly"
        text += (
            f". {points(gap.value, sign=True)} {limits(gap.interval, sign=True)} against "
            f"{gap.other}: {verdict}, p {probability(gap.p_holm)} after correction ({gap.test})"
        )
    return text + "."


def _facts(row: Row) -> Mapping[str, Any]:
    facts: Json = {"model": row.model, "kind": row.kind}
    if row.specializer:
        facts |= {"base": row.base, "specializer": row.specializer, "artifact": row.artifact}
    facts |= row.numerics
    return facts | {key.replace("_", " "): value for key, value in row.cost.items()}


def _place(section: int, index: int, column: Column) -> Place:
    name = f"task-{section}-{index}-{_slug(column.task)}"
    return Place(f"{name}.html", f"items/{name}")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]


def _script(key: str, value: Any) -> str:
    """JSON a page can load from disk: no markup, line separators or broken text in it."""
    content = json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return f"benchItems({json.dumps(key)}, {content});\n"
