"""A board as a static site: overview, a page per task and per model, no server, no network.

Everything a model wrote is data, never markup: templates escape it and show
control and direction marks by their numbers; item data lies in scripts of plain
JSON that pages load when asked and show as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.identity.recorded import explained_of
from harness.types import Json, Record
from leaderboards.board import (
    Board,
    Cell,
    Column,
    RecordColumn,
    RecordTable,
    Row,
    Section,
)
from leaderboards.gather import gather
from leaderboards.pages import figures
from leaderboards.pages.files import write_site
from leaderboards.pages.funnel import funnel
from leaderboards.pages.items import Nearest, task_scripts
from leaderboards.pages.nearest import Near, WordIndex, read_explained
from leaderboards.pages.provenance import (
    EXAMPLES_SHOWN,
    Provenance,
    SweepCurves,
    read_kept,
    read_sweeps,
)
from leaderboards.pages.words import (
    average_widths,
    bar,
    breakable,
    ends,
    fact,
    gap,
    gap_bar,
    mark,
    meaning,
    reach,
    said,
    smaller_marks,
    task_names,
    task_widths,
    tone,
    verdicts,
)
from leaderboards.shown import limits, places, points, probability, smallest
from leaderboards.spec import BoardSpec
from leaderboards.text.escape import visible
from leaderboards.text.grids import difference, group_grids, legend
from leaderboards.text.marks import row_name

FOLDER = Path(__file__).parent / "templates"
EXAMPLES_A_PAGE = 50


@dataclass(frozen=True)
class TaskPage:
    """A task's page and the folder of its item data, relative to the site."""

    page: str
    data: str


@dataclass(frozen=True)
class ModelPages:
    """A model's pages and what its making left.

    `examples` is the stem of its example pages, "" where there are none;
    `page_of` says on which of them an example is.
    """

    page: str
    record: Record
    kept: Provenance | None
    examples: str
    page_of: Mapping[str, int]


def write_pages(
    board: Board,
    records: Iterable[Record],
    spec: BoardSpec,
    out: Path,
    *,
    published: bool = False,
    home: Path | None = None,
) -> list[Path]:
    """Write the site of `board` into `out`; return its pages, the overview first.

    Pages of an earlier build that this one did not write are removed.

    Args:
        records, spec: what the board was built from; the items come from here.
        published: leave out answers and targets of tasks whose text may not be
            passed on (`redistribute` on their card).
        home: the folder with `artifacts/`, `explain/` and `sweeps/` beside `runs/`:
            adds examples, the way from an item to an example, and curves.
    """
    site = _Site(board, list(records), spec, published, home)
    names = write_site(out, site.files())
    return [out / name for name in names if name.endswith(".html")]


class _Site:
    """What the pages of one board share."""

    def __init__(
        self,
        board: Board,
        records: Sequence[Record],
        spec: BoardSpec,
        published: bool,
        home: Path | None,
    ) -> None:
        self.board, self.published, self.home = board, published, home
        self.raw = gather(records, spec)
        self.models = self._models()
        self.places = [
            [_place(number, index, column) for index, column in enumerate(section.columns)]
            for number, section in enumerate(board.sections)
        ]
        self.environment = environment()
        self.environment.globals |= {
            "board": board,
            "models": self.models,
            "figures": figures,
            "funnel": funnel,
            "verdicts": verdicts,
            "reach": reach,
        }

    def _models(self) -> dict[str, ModelPages]:
        by_label = {label: record for raw in self.raw for label, record in raw.rows.items()}
        models = {}
        for number, (label, record) in enumerate(sorted(by_label.items())):
            manifest = record.manifest
            kept = read_kept(self.home, manifest["model"], manifest["artifact"])
            name = f"{number}-{_slug(label)}"
            examples = kept.examples if kept else ()
            models[label] = ModelPages(
                page=f"model-{name}.html",
                record=record,
                kept=kept,
                examples=f"examples-{name}" if examples else "",
                page_of={e.id: place // EXAMPLES_A_PAGE for place, e in enumerate(examples)},
            )
        return models

    def files(self) -> Iterator[tuple[str, str]]:
        """Name and text of every file; of the pages the overview first."""
        for path in sorted([*FOLDER.glob("*.css"), *FOLDER.glob("*.js")]):
            yield path.name, path.read_text(encoding="utf-8")
        yield (
            "index.html",
            self._page(
                "overview.html",
                places=self.places,
                legend=legend(self.board),
                groups=group_grids(self.board),
                sweeps=self._sweeps(),
            ),
        )
        for number, (section, raw) in enumerate(zip(self.board.sections, self.raw, strict=True)):
            for index in range(len(section.columns)):
                yield from self._task(section, raw, index, self.places[number][index])
        for label, model in self.models.items():
            yield from self._model(label, model)

    def _sweeps(self) -> list[SweepCurves]:
        """Sweeps over a base that stands on this board, with its very weights if they say so."""
        manifests = [model.record.manifest for model in self.models.values()]
        shown = {(m["model"], digest) for m in manifests for digest in ("", m["model_digest"])}
        return [one for one in read_sweeps(self.home) if (one.base, one.weights) in shown]

    def _page(self, template: str, **values: Any) -> str:
        return str(self.environment.get_template(template).render(**values))

    def _task(
        self, section: Section, raw: RecordTable, index: int, place: TaskPage
    ) -> Iterator[tuple[str, str]]:
        column, shown = section.columns[index], self._shown(section.columns[index])
        rows = [(row, cell) for row in section.rows if (cell := row.cells[index]) is not None]
        cells = raw.columns[index].cells
        numbers = {label: number for number, label in enumerate(cells)}
        data: Json = {
            "folder": place.data,
            "shown": shown,
            "models": [
                {
                    "label": row.label,
                    "data": f"{place.data}/{numbers[row.label]}",
                    "other": cell.difference.other if cell.difference else "",
                    "examples": self.models[row.label].examples,
                }
                for row, cell in rows
            ],
        }
        first, second = _beside(rows)
        yield place.page, self._page(
            "task.html",
            section=section, column=column, rows=rows, shown=shown,
            data=data, first=first, second=second,
        )  # fmt: skip
        nearest = self._nearest(raw.columns[index], section.shots)
        yield from task_scripts(cells, column.metric, place.data, nearest, shown=shown)

    def _shown(self, column: Column) -> bool:
        return column.redistribute or not self.published

    def _nearest(self, raw: RecordColumn, shots: int) -> dict[str, Nearest]:
        """For each model with examples: which of them are nearest to an item."""
        found = {}
        for label in raw.cells:
            model = self.models[label]
            if model.kept is None or not model.examples or self.home is None:
                continue
            name, task = model.record.manifest["model"], raw.column.task
            of = explained_of(next(iter(raw.cells[label].values())).manifest)
            explained = read_explained(self.home, name, task, shots, of)
            found[label] = _look_up(explained, model)
        return found

    def _model(self, label: str, model: ModelPages) -> Iterator[tuple[str, str]]:
        parts = [
            (section, row, self.places[number])
            for number, section in enumerate(self.board.sections)
            for row in section.rows
            if row.label == label
        ]
        yield (
            model.page,
            self._page(
                "model.html",
                label=label,
                model=model,
                found=parts,
                facts=_facts(parts[0][1], model),
            ),
        )
        examples = model.kept.examples if model.kept else ()
        pages = range(0, len(examples), EXAMPLES_A_PAGE)
        for number, start in enumerate(pages):
            yield f"{model.examples}-{number}.html", self._page(
                "examples.html",
                label=label, model=model, number=number, pages=len(pages), start=start,
                examples=examples[start : start + EXAMPLES_A_PAGE],
            )  # fmt: skip


def _look_up(explained: Mapping[str, Sequence[Near]] | None, model: ModelPages) -> Nearest:
    """An item's nearest examples as explained, else by shared words; with each one's page."""
    index = None

    def nearest(item: Mapping[str, Any]) -> list[tuple[str, float, int]]:
        nonlocal index
        if explained is not None and str(item["id"]) in explained:
            found = list(explained[str(item["id"])])
        else:
            if index is None and model.kept is not None:
                index = WordIndex({example.id: example.text for example in model.kept.examples})
            text = " ".join([str(item.get("input", "")), *map(str, item.get("target", ()))])
            found = index.nearest(text) if index is not None else []
        return [
            (near.example, near.similarity, model.page_of[near.example])
            for near in found
            if near.example in model.page_of
        ]

    return nearest


@cache
def _compiled() -> Any:
    """Templates once compiled, for all sites of this process."""
    from jinja2 import BytecodeCache
    from jinja2.bccache import Bucket

    class InMemory(BytecodeCache):  # type: ignore[misc]
        def __init__(self) -> None:
            self._kept: dict[str, bytes] = {}

        def load_bytecode(self, bucket: Bucket) -> None:
            if bucket.key in self._kept:
                bucket.bytecode_from_string(self._kept[bucket.key])

        def dump_bytecode(self, bucket: Bucket) -> None:
            self._kept[bucket.key] = bucket.bytecode_to_string()

    return InMemory()


def environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        bytecode_cache=_compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a template prints: marks that hide or reorder text are shown by number.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {
        "points": points, "smallest": smallest, "limits": limits, "places": places,
        "difference": difference,
        "probability": probability, "bar": bar, "gap_bar": gap_bar, "meaning": meaning,
        "breakable": breakable, "tone": tone, "said": said, "fact": fact, "mark": mark,
        "signed": gap, "smaller_marks": smaller_marks, "ends": ends, "row_name": row_name,
        "task_names": task_names, "task_widths": task_widths,
        "average_widths": average_widths,
        "address": lambda text: quote(text, safe=""),
    }  # fmt: skip
    environment.globals |= {"examples_shown": EXAMPLES_SHOWN}
    return environment


def _beside(rows: Sequence[tuple[Row, Cell]]) -> tuple[str, str]:
    """The two models a task's page opens with: a base and what was made of it, if any."""
    compared = [(cell.difference.other, row.label) for row, cell in rows if cell.difference]
    return compared[0] if compared else (rows[0][0].label, rows[-1][0].label)


def _facts(row: Row, model: ModelPages) -> Mapping[str, Any]:
    """What a model is, from its record: nothing that differs between equal runs."""
    manifest = model.record.manifest
    facts: Json = {"model": row.model, "kind": row.kind, "source": manifest.get("model_source", "")}
    facts |= manifest.get("model_facts", {})
    facts["weights' digest"] = manifest["model_digest"]
    if row.specializer:
        facts |= {"base": row.base, "specializer": row.specializer, "artifact": row.artifact}
    facts |= {key.replace("_", " "): value for key, value in row.cost.items()}
    facts |= row.numerics
    facts |= manifest["packages"]
    return {key: value for key, value in facts.items() if value != ""}


def _place(section: int, index: int, column: Column) -> TaskPage:
    name = f"task-{section}-{index}-{_slug(column.task)}"
    return TaskPage(f"{name}.html", f"items/{name}")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
