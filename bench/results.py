"""What the public functions return: runs, a board, two of its rows compared, and the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas

    from bench.planning import Machine, Need, Stage
    from harness.types import Record
    from leaderboards.board import Average, Board, Cell, Difference, Interval, Section
    from leaderboards.explain import Explanation as Changes
    from leaderboards.spec import BoardSpec
    from leaderboards.sweeps import Sweep


@dataclass(frozen=True)
class Runs(Sequence["Record"]):
    """The records of a run, in the order of its models and tasks."""

    records: tuple[Record, ...]
    out: Path

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        return self.records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    @property
    def models(self) -> tuple[str, ...]:
        """The names its records stand under, in their order."""
        return tuple(dict.fromkeys(str(record.manifest["model"]) for record in self.records))

    def __repr__(self) -> str:
        return f"<Runs: {len(self)} records of {', '.join(self.models)} in {self.out / 'runs'}>"

    def scores(self) -> pandas.DataFrame:
        """One row a record: model, task, shots, draw, n, and every metric of its summary."""
        import pandas

        return pandas.DataFrame(
            {**_cell(record), "n": record.summary["n"], **record.summary["metrics"]}
            for record in self.records
        )

    def items(self) -> pandas.DataFrame:
        """One row an answer: the record's cell, then id, status, input, answer, target, metrics."""
        import pandas

        keys = ("id", "status", "input", "answer", "target", "cut_tokens")
        return pandas.DataFrame(
            {**_cell(record), **{key: item.get(key) for key in keys}, **item["metrics"]}
            for record in self.records
            for item in record.items
        )


def _cell(record: Record) -> dict[str, Any]:
    return {key: record.manifest[key] for key in ("model", "task", "shots", "draw")}


@dataclass(frozen=True)
class Comparison:
    """A model minus another on the same items, resampled together.

    `table` is the title of the table it is of, `task` the task, "" for the average. `bounds` is
    between what the difference lies whatever the missing answers of the two are; None where
    none is missing, or the metric has no known range.
    """

    model: str
    other: str
    difference: Difference
    table: str = ""
    task: str = ""
    bounds: Interval | None = None

    @property
    def verdict(self) -> str:
        """ "better", "worse" or why neither may be said."""
        from leaderboards.shown import points
        from leaderboards.text.verdict import judged

        said = judged(self.difference)
        if not self.difference.lacking or self.bounds is None:
            return said
        low, high = (
            points(end, sign=True, unit=self.difference.unit)
            for end in (self.bounds.low, self.bounds.high)
        )
        return f"{said}: with these wrong or right it is between {low} and {high}"


def _gap_bounds(one: Cell | Average | None, two: Cell | Average | None) -> Interval | None:
    """Between what a difference lies, whatever the missing answers of the two are."""
    from leaderboards.board import Interval

    ends = []
    for entry in (one, two):
        if entry is None or entry.score is None or (entry.missing and entry.bounds is None):
            return None
        ends.append(entry.bounds or Interval(entry.score, entry.score))
    if all(end.low == end.high for end in ends):
        return None
    return Interval(ends[0].low - ends[1].high, ends[0].high - ends[1].low)


@dataclass(frozen=True)
class Leaderboard:
    """A board and the records behind it; a notebook shows its tables."""

    board: Board
    records: tuple[Record, ...]
    spec: BoardSpec
    out: Path
    name: str = ""

    def __repr__(self) -> str:
        rows = {row.label for section in self.board.sections for row in section.rows}
        return (
            f"<Leaderboard '{self.board.title}': {len(rows)} models, {len(self.records)} records>"
        )

    def write(self, folder: Path | str | None = None) -> Path:
        """Write the board's files and pages; return the page to open.

        Args:
            folder: else where `bench board` writes it.
        """
        from leaderboards.folder import board_folder, write_folder

        place = Path(folder) if folder is not None else board_folder(self.out, self.name)
        _, page = write_folder(list(self.records), self.spec, self.out, place)
        return page

    def frame(self) -> pandas.DataFrame:
        """One row a model and task, as scores.csv has them."""
        import io

        import pandas

        from leaderboards.text.render import render_csv

        return pandas.read_csv(io.StringIO(render_csv(self.board)))

    def compare(self, model: str, other: str, *, task: str = "") -> Comparison:
        """The difference of two rows on the same items, whatever their bases.

        It is of the first table that holds both; `Comparison.table` names it.

        Args:
            task: on that task alone, as the table names it; "" is the average, or the one
                task of a table that has one.

        Raises:
            UserError: a row or the task is not there, two columns are of that task, or no table
                has both rows on it (for an average: on every task that counts).
        """
        from leaderboards.gather import gather
        from leaderboards.records.rows import told_unlike
        from leaderboards.stats.contrasts import average_contrasts, task_contrast

        known = {row.label for section in self.board.sections for row in section.rows}
        for name in (model, other):
            if name not in known:
                raise UserError(f"no row '{name}' on this board.{did_you_mean(name, known)}")
        self._known_task(task)
        resamples, most = self.spec.resamples, self.spec.missing
        for section, raw in zip(self.board.sections, gather(self.records, self.spec), strict=True):
            place = self._place(section, task)
            if not {model, other} <= set(raw.rows) or place is None:
                continue
            if place >= 0:
                column = raw.columns[place]
                both = {model, other} <= set(column.cells)
                found = task_contrast(column, model, other, resamples, most) if both else None
            else:
                pair = (model, other)
                found = average_contrasts(raw, [pair], resamples, most).get(pair)
            if found is not None:
                unlike = told_unlike(raw.rows[model], raw.rows[other])
                rows = {row.label: row for row in section.rows}
                entries = [
                    rows[name].cells[place] if place >= 0 else rows[name].average
                    for name in (model, other)
                ]
                return Comparison(
                    model,
                    other,
                    replace(found, unlike=unlike),
                    section.title,
                    section.columns[place].task if place >= 0 else "",
                    _gap_bounds(*entries),
                )
        what = f"on '{task}'" if task else "on every task that counts; name one by 'task'"
        raise UserError(f"no table of this board has '{model}' and '{other}' {what}.")

    def _known_task(self, task: str) -> None:
        """Raise `UserError` for a task that stands in no table of the board."""
        from leaderboards.shown import column_name

        tables = [section.columns for section in self.board.sections]
        every = {column.task for columns in tables for column in columns}
        shown = {column_name(column, columns) for columns in tables for column in columns}
        if task and task not in every | shown:
            raise UserError(f"no task '{task}' on this board.{did_you_mean(task, every)}")

    def _place(self, section: Section, task: str) -> int | None:
        """The column of a task; -1 for the average of several, None where there is no such."""
        from leaderboards.shown import column_name

        columns = section.columns
        if not task:
            counted = [n for n, column in enumerate(columns) if column.in_average]
            return counted[0] if len(counted) == 1 else -1
        names = [column_name(column, columns) for column in columns]
        found = [n for n, name in enumerate(names) if task in (name, columns[n].task)]
        if len(found) > 1 and task not in names:
            told = ", ".join(repr(names[n]) for n in found)
            raise UserError(f"task '{task}' has several columns in {section.title}: {told}.")
        return (names.index(task) if task in names else found[0]) if found else None

    def _repr_html_(self) -> str:
        """The board's tables with their intervals, as the terminal shows them."""
        from io import StringIO

        from harness.doors.terminal import open_console
        from leaderboards.text.render import render_terminal

        console = open_console(record=True, width=160, file=StringIO(), force_terminal=False)
        console.print(render_terminal(self.board))
        shape = '<pre style="font-family: monospace; line-height: 1.3">{code}</pre>'
        return str(console.export_html(inline_styles=True, code_format=shape))

    def _repr_markdown_(self) -> str:
        from leaderboards.text.render import render_markdown

        return render_markdown(self.board)


@dataclass(frozen=True)
class Explanation:
    """Which answers changed against the base, and where that is kept as JSON."""

    content: Changes
    path: Path

    def frame(self) -> pandas.DataFrame:
        """One row a changed answer: item, both answers and values, its nearest example."""
        import pandas

        return pandas.DataFrame([asdict(change) for change in self.content.changes])


@dataclass(frozen=True)
class Sweeps:
    """The curves of a sweep, one `Sweep` a number of shots, and where they are kept as JSON."""

    sweeps: tuple[Sweep, ...]
    path: Path

    def frame(self) -> pandas.DataFrame:
        """One row a point and curve, as the CSV beside `path` has them."""
        import pandas

        return pandas.read_csv(self.path.with_suffix(".csv"))


@dataclass(frozen=True)
class Plan:
    """What a run will ask, need and take.

    Args:
        stages: parts of the run, in order; seconds on one device, None where no speed is known.
        needs: base -> the ways to run and train it, with the memory each takes.
        machine: the devices it was planned for.
        notes: what the figures leave out.
    """

    stages: tuple[Stage, ...]
    needs: Mapping[str, Sequence[Need]]
    machine: Machine
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float | None:
        """Of the whole run on one device; None where the speed of a part is unknown."""
        known = [stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(known) if len(known) == len(self.stages) else None

    def frame(self) -> pandas.DataFrame:
        """One row a part of the run: model, stage, its work in requests and tokens, seconds."""
        import pandas

        rows = []
        for stage in self.stages:
            work = asdict(stage.work)
            rows.append({"model": stage.model, "stage": stage.stage, **work,
                         "seconds": stage.seconds})  # fmt: skip
        return pandas.DataFrame(rows)
