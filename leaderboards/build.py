"""Records -> board: a pure function, the same for records in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.types import Json, Record
from leaderboards.averages import averages
from leaderboards.board import Average, Board, Cell, Column, Part, Row, Section
from leaderboards.columns import corrected, score_column
from leaderboards.decompose import decompose
from leaderboards.gather import RawSection, gather
from leaderboards.notes import board_notes
from leaderboards.references import load_references
from leaderboards.spec import BoardSpec

# What a specialisation cost: the training report's names -> the board's.
_COSTS = {"examples": "examples", "tokens": "training_tokens", "parameters": "trained_parameters"}


def build(records: Iterable[Record], spec: BoardSpec) -> Board:
    """Make the board that `spec` declares.

    Raises:
        UserErrors: records that contradict each other or lack a metric; all at once.
    """
    sections = gather(records, spec)
    known = {row.name: row for row in load_references()}
    return Board(
        name=spec.name,
        title=spec.title or spec.name,
        resamples=spec.resamples,
        sections=tuple(_section(raw, spec) for raw in sections),
        references=tuple(known[name] for name in spec.references),
        notes=board_notes(sections, spec),
    )


def _section(raw: RawSection, spec: BoardSpec) -> Section:
    shots, chat, limit = raw.setting
    others = _others(raw.rows, spec)
    scored = [score_column(column, others, spec.resamples) for column in raw.columns]
    columns = tuple(column.column for column in raw.columns)
    cells = corrected([column.cells for column in scored])
    means = averages(columns, scored, others, spec.resamples)
    parts = decompose(raw.columns, others, spec.resamples)
    rows = [
        _row(label, record, columns, cells, means.get(label), parts.get(label, ()))
        for label, record in raw.rows.items()
    ]
    title = f"{shots}-shot"
    title += ", chat template" if chat else ""
    title += f", first {limit} items" if limit else ""
    return Section(title, shots, chat, limit, columns, _ordered(rows))


def _others(rows: Mapping[str, Record], spec: BoardSpec) -> dict[str, str]:
    """Which row each row is compared with: its base, or the board's baseline."""
    result = {}
    for label, record in rows.items():
        manifest = record.manifest
        wanted = manifest["base"] if manifest["specializer"] else spec.baseline
        candidates = [
            other
            for other, entry in rows.items()
            if entry.manifest["model"] == wanted and other != label
        ]
        same = [
            other
            for other in candidates
            if rows[other].manifest["numerics"] == manifest["numerics"]
            and (
                not manifest["specializer"]
                or rows[other].manifest["model_digest"] == manifest["model_digest"]
            )
        ]
        if candidates:
            result[label] = (same or candidates)[0]
    return result


def _row(
    label: str,
    record: Record,
    columns: Sequence[Column],
    cells: Sequence[Mapping[str, Cell]],
    average: Average | None,
    parts: tuple[Part, ...],
) -> Row:
    manifest = record.manifest
    mine = tuple(column.get(label) for column in cells)
    counted = [
        (column, cell) for column, cell in zip(columns, mine, strict=True) if column.in_average
    ]
    present = [cell for _, cell in counted if cell is not None]
    asked = sum(cell.n for cell in present)
    training: Json = dict(manifest["artifact_facts"].get("training", {}))
    return Row(
        label=label,
        model=manifest["model"],
        base=manifest["base"],
        specializer=manifest["specializer"],
        artifact=manifest["artifact"],
        kind=manifest["model_kind"],
        numerics=dict(manifest["numerics"]),
        cells=mine,
        average=average,
        missing=tuple(
            column.task for column, cell in counted if cell is None or cell.score is None
        ),
        unparseable=sum(cell.n_unparseable for cell in present) / asked if asked else None,
        cost={name: training[key] for key, name in _COSTS.items() if key in training},
        parts=parts,
    )


def _ordered(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Each base followed by what was made of it; families by their best average."""

    def score(row: Row) -> float:
        return row.average.score if row.average else -1.0

    family: dict[str, list[Row]] = {}
    for row in rows:
        family.setdefault(row.base or row.model, []).append(row)
    groups = sorted(family.items(), key=lambda item: (-max(map(score, item[1])), item[0]))
    return tuple(
        row
        for _, members in groups
        for row in sorted(members, key=lambda row: (bool(row.specializer), -score(row), row.label))
    )
