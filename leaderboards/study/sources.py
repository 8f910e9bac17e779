"""Published boards -> what the study reads of them."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.doors import limits
from harness.doors.files import read_object
from harness.doors.text import plain
from harness.errors import UserError
from harness.files import digest
from harness.record import read_records
from harness.types import Json, Record
from leaderboards.board import Difference, RecordTable, Row, Section
from leaderboards.build import build
from leaderboards.folder import own_spec
from leaderboards.gather import gather
from leaderboards.pages.provenance import SweepCurves, read_sweeps
from leaderboards.spec import BoardSpec
from leaderboards.stats.contrasts import average_contrasts
from leaderboards.study.spec import Compare, StudySpec


@dataclass(frozen=True)
class Table:
    """One table of one published board.

    `contrasts` has the method's rows against each other row of the same base that
    was specialised otherwise: (label, other label) -> difference.
    """

    board: str
    suite: str
    section: Section
    raw: RecordTable
    contrasts: Mapping[tuple[str, str], Difference]

    @property
    def title(self) -> str:
        return f"{self.suite}, {self.section.title}"

    @property
    def key(self) -> str:
        """Names the table's plots."""
        section = self.section
        chat = "-chat" if section.chat else ""
        return f"{self.board}-{section.shots}shot{chat}-{section.limit or 'all'}"

    def rows_of(self, specializer: str) -> list[Row]:
        return [row for row in self.section.rows if row.specializer == specializer]


@dataclass(frozen=True)
class Published:
    """A published board: its records, its tables, the sweeps beside them, its seconds by model."""

    name: str
    title: str
    folder: Path
    records: tuple[Record, ...]
    tables: tuple[Table, ...]
    sweeps: tuple[tuple[SweepCurves, Json], ...]
    seconds: Mapping[str, float]

    @property
    def fingerprint(self) -> str:
        """Twelve digits that change with any record."""
        return digest(
            sorted(
                digest([record.manifest, record.items, record.summary]) for record in self.records
            )
        )[:12]


def read_published(spec: StudySpec, name: str) -> Published | None:
    """A published board, or None if there is none of that name yet.

    Raises:
        UserError: the folder is there and holds no records, or its costs are no table.
    """
    folder = spec.published / name
    if not folder.is_dir():
        return None
    records = read_records(folder / "runs")
    board_spec = own_spec(folder)
    if not records or board_spec is None:
        raise UserError(
            f"{folder}: no published board (it needs runs/ and a *.board.toml). "
            "Publish it again with 'bench board publish'."
        )
    # Run facts are no part of what was found, and differ between equal records.
    bare = tuple(replace(r, manifest={**r.manifest, "engine_report": {}}) for r in records)
    return Published(
        name=name,
        title=board_spec.title or name,
        folder=folder,
        records=bare,
        tables=_tables(name, bare, board_spec, spec.method),
        sweeps=_sweeps(folder),
        seconds=_seconds(folder / "costs.csv"),
    )


def compared(compare: Compare, boards: Mapping[str, Published]) -> list[Difference]:
    """One model as two boards have it, a difference for each table that both hold; [] if none."""
    found: list[Difference] = []
    if {compare.changed, compare.plain} <= set(boards):
        records = [
            replace(record, manifest={**record.manifest, "model": name})
            for name in (compare.changed, compare.plain)
            for record in boards[name].records
            if record.manifest["model"] == compare.model
        ]
        for raw in gather(records, BoardSpec(name=compare.about)):
            pair = (compare.changed, compare.plain)
            found += average_contrasts(raw, [pair], BoardSpec.resamples).values()
    return found


def _tables(
    name: str, records: Sequence[Record], spec: BoardSpec, method: str
) -> tuple[Table, ...]:
    board = build(records, spec)
    return tuple(
        Table(name, _suite(raw), section, raw, _contrasts(section, raw, method, spec.resamples))
        for section, raw in zip(board.sections, gather(records, spec), strict=True)
    )


def _contrasts(
    section: Section, raw: RecordTable, method: str, resamples: int
) -> dict[tuple[str, str], Difference]:
    rows = section.rows
    pairs = [
        (row.label, other.label)
        for row in rows
        for other in rows
        if row.specializer == method
        and other.specializer not in ("", method)
        and row.base == other.base
    ]
    return average_contrasts(raw, pairs, resamples)


def _suite(raw: RecordTable) -> str:
    """The suite of the tasks that count, which a ranking twin's may differ from."""
    names = {
        str(record.manifest["suite"])
        for column in raw.columns
        if not column.column.rank_of
        for draws in column.cells.values()
        for record in draws.values()
    }
    return " + ".join(sorted(names))


def _sweeps(folder: Path) -> tuple[tuple[SweepCurves, Json], ...]:
    """Each sweep's curve with the section of its file that the curve was read from."""
    curves = read_sweeps(folder)  # tells what is no sweep's result
    sections = [
        section
        for path in sorted(folder.glob("sweeps/*.json"))
        for section in read_object(path, limits.RECORD_BYTES)["sections"]
    ]
    return tuple(zip(curves, sections, strict=True))


def _seconds(path: Path) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    if path.is_file():
        try:
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    seconds[row["model"]] += float(row["seconds"] or 0)
        except (LookupError, TypeError, ValueError, csv.Error) as error:
            raise UserError(
                f"{plain(path)}: no table of costs ({type(error).__name__}: {plain(error):.200}); "
                "expected the columns model and seconds. Publish the board again."
            ) from error
    return dict(seconds)
