"""What the public functions return: runs, a board, two of its rows compared, and the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas

    from bench.planning import Machine, Need, Stage
    from harness.types import Record
    from leaderboards.board import Board, Difference
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
    """A model minus another on the same items, resampled together."""

    model: str
    other: str
    difference: Difference

    @property
    def verdict(self) -> str:
        """ "better", "worse" or why neither may be said."""
        from leaderboards.text.verdict import judged

        return judged(self.difference)


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
        """The difference of two rows of a table on the same items, whatever their bases.

        Args:
            task: on that task alone; "" is the average, or the one task of a table that has one.

        Raises:
            UserError: a row is not there, or no table has both.
        """
        from leaderboards.gather import gather
        from leaderboards.stats.contrasts import average_contrasts, task_contrast

        known = {row.label for section in self.board.sections for row in section.rows}
        for name in (model, other):
            if name not in known:
                raise UserError(f"no row '{name}' on this board.{did_you_mean(name, known)}")
        resamples = self.spec.resamples
        for table in gather(self.records, self.spec):
            columns = [c for c in table.columns if {model, other} <= set(c.cells)]
            chosen = [c for c in columns if c.column.task == task] if task else columns
            if len(chosen) == 1:
                found = task_contrast(chosen[0], model, other, resamples)
            else:
                means = average_contrasts(table, [(model, other)], resamples)
                found = means.get((model, other))
            if found is not None:
                return Comparison(model, other, found)
        raise UserError(f"'{model}' and '{other}' share no table of this board.")

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
