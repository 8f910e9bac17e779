"""What the public functions return: runs, a board, two of its rows compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas

    from harness.types import Record
    from leaderboards.board import Board, Difference
    from leaderboards.spec import BoardSpec


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
        from dataclasses import replace

        from leaderboards.gather import gather
        from leaderboards.stats.columns import score_column
        from leaderboards.stats.contrasts import average_contrasts

        known = {row.label for section in self.board.sections for row in section.rows}
        for name in (model, other):
            if name not in known:
                raise UserError(f"no row '{name}' on this board.{did_you_mean(name, known)}")
        resamples = self.spec.resamples
        for table in gather(self.records, self.spec):
            columns = [c for c in table.columns if {model, other} <= set(c.cells)]
            chosen = [c for c in columns if c.column.task == task] if task else columns
            if len(chosen) == 1:
                pair = {name: chosen[0].cells[name] for name in (model, other)}
                scored = score_column(replace(chosen[0], cells=pair), {model: other}, resamples)
                found = scored.cells[model].difference
            else:
                means = average_contrasts(table, [(model, other)], resamples)
                found = means.get((model, other))
            if found is not None:
                return Comparison(model, other, found)
        raise UserError(f"'{model}' and '{other}' share no table of this board.")

    def _repr_markdown_(self) -> str:
        from leaderboards.text.render import render_markdown

        return render_markdown(self.board)
