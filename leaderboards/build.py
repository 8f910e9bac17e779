"""Records -> board: a pure function, the same for records in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.types import Json, Record
from leaderboards.beside import bits_of, readings_of
from leaderboards.board import (
    Average,
    Board,
    Cell,
    Part,
    RecordColumn,
    RecordTable,
    Retained,
    Row,
    Section,
)
from leaderboards.claims.floors import FLOOR
from leaderboards.claims.held import held_notes
from leaderboards.claims.retention import retained, retention_notes
from leaderboards.claims.signal import signal_notes, signals
from leaderboards.gather import gather, refused
from leaderboards.notes.family import family_notes
from leaderboards.notes.like import chat_forms, like_notes
from leaderboards.notes.records import board_notes
from leaderboards.notes.rows import average_notes, missing_notes
from leaderboards.records.rows import compared_with
from leaderboards.references import load_references
from leaderboards.spec import BoardSpec
from leaderboards.stats.averages import Averages
from leaderboards.stats.columns import corrected, score_column
from leaderboards.stats.decompose import decompose
from leaderboards.stats.groups import group_scores
from leaderboards.stats.missing import lacking
from leaderboards.stats.opened import open_column

# What a specialisation cost, where the artifact's facts say -> the board's name.
_COSTS = {
    ("training", "examples"): "examples",
    ("training", "tokens"): "training_tokens",
    ("training", "parameters"): "trained_parameters",
}
# The stages in which a model writes its own examples.
_WRITING = ("instructions", "responses")


def build(records: Iterable[Record], spec: BoardSpec, unread: Sequence[str] = ()) -> Board:
    """Make the board that `spec` declares.

    A record that cannot be shown is left out and named in `Board.refused`.

    Args:
        unread: why other records could not even be read; they are named with these.
    """
    records = list(records)
    faults: list[str] = list(unread)
    raw = gather(records, spec, faults)
    known = {row.name: row for row in load_references()}
    sections = tuple(_section(table, spec) for table in raw)
    notes = board_notes(raw, refused(records, spec), records, spec)
    for table, section in zip(raw, sections, strict=True):
        notes += like_notes(table, section.title)
        notes += [*missing_notes(section, spec.missing), *average_notes(section)]
        notes += [*held_notes(section), *signal_notes(section)]
    notes += family_notes(records, spec, sections, _section)
    kept = _retained(records, spec)
    if any(row.specializer for section in sections for row in section.rows):
        notes += retention_notes(kept, spec.retention, sections) if spec.retention else ()
    return Board(
        name=spec.name,
        title=spec.title or spec.name,
        resamples=spec.resamples,
        sections=sections,
        references=tuple(known[name] for name in spec.references),
        notes=tuple(dict.fromkeys(notes)),
        refused=tuple(faults),
        most_missing=spec.missing,
        groups=group_scores(raw, spec.resamples),
        retention=kept,
    )


def _retained(records: Sequence[Record], spec: BoardSpec) -> tuple[Retained, ...]:
    """What the board's specialised models kept on its general suite."""
    own = replace(spec, suite=spec.retention, tasks=(), metrics={}, versions={})
    if not spec.retention or spec.suite in ("", spec.retention):
        return ()
    return retained([_section(table, own) for table in gather(records, own)], spec.margin)


def _section(raw: RecordTable, spec: BoardSpec) -> Section:
    shots, chat, limit = raw.setting
    found = compared_with(raw, spec.baseline)
    others = {label: other for label, (other, _) in found.items()}
    opened = [open_column(column, spec.missing) for column in raw.columns]
    averages = Averages(opened, others, spec.resamples)
    scored = []
    for column in opened:
        counts = column.raw.column.in_average
        statistics = score_column(column, others, spec.resamples, averages.pairs if counts else ())
        if counts:
            averages.add(statistics)
        scored.append(statistics.without_samples())
    columns = tuple(column.column for column in raw.columns)
    cells = [lacking(column, spec.missing) for column in corrected(scored)]
    means = lacking(averages.result(), spec.missing)
    parts = decompose(raw.columns, others, spec.resamples)
    asked = chat_forms(raw)
    bit_columns, bit_cells = bits_of(raw, others, spec)
    rows = [
        _marked(
            replace(
                _row(label, record, raw.columns, cells, means.get(label), parts.get(label, ())),
                asked=asked.get(label, ""),
                bits=tuple(column.get(label) for column in bit_cells),
            ),
            found.get(label, ("", ()))[1],
        )
        for label, record in raw.rows.items()
    ]
    title = f"{shots}-shot"
    title += ", chat template" if chat else ""
    if limit:
        # Of tasks that have no more items than that, all were asked.
        whole = all(column.n_full <= limit for column in columns)
        some = f"{limit} items a task" if _by_label(raw) else f"first {limit} items"
        title += f", limit {limit} (all items)" if whole else f", {some}"
    signs = signals(columns, rows)
    ordered = _ordered(rows)
    readings = readings_of(raw)
    return Section(title, shots, chat, limit, columns, ordered, signs, bit_columns, readings)


def _by_label(raw: RecordTable) -> bool:
    """Whether a task was asked other items than its first."""
    records = (r for column in raw.columns for cell in column.cells.values() for r in cell.values())
    return any(record.manifest.get("sample") for record in records)


def _marked(row: Row, unlike: tuple[str, ...]) -> Row:
    """The row, every difference to its base saying in what the two were not run alike."""
    if not unlike:
        return row
    cells = tuple(
        cell
        and replace(
            cell,
            difference=cell.difference and replace(cell.difference, unlike=unlike),
            clean=cell.clean and replace(cell.clean, unlike=unlike),
        )
        for cell in row.cells
    )
    average = row.average and replace(
        row.average,
        difference=row.average.difference and replace(row.average.difference, unlike=unlike),
    )
    return replace(row, cells=cells, average=average)


def _row(
    label: str,
    record: Record,
    raw: Sequence[RecordColumn],
    cells: Sequence[Mapping[str, Cell]],
    average: Average | None,
    parts: tuple[Part, ...],
) -> Row:
    manifest = record.manifest
    columns = [column.column for column in raw]
    mine = tuple(column.get(label) for column in cells)
    counted = [
        (column, cell) for column, cell in zip(columns, mine, strict=True) if column.in_average
    ]
    # Of the tasks that the row has a score on, as its average; of what was answered at all.
    present = [cell for _, cell in counted if cell is not None and cell.score is not None]
    asked = sum(cell.n_scored for cell in present)
    return Row(
        label=label,
        model=manifest["model"],
        base=manifest["base"],
        specializer=manifest["specializer"],
        artifact=manifest["artifact"],
        kind=manifest["model_kind"],
        origin=manifest.get("origin", ""),
        numerics=dict(manifest["numerics"]),
        cells=mine,
        average=average,
        missing=tuple(
            column.task for column, cell in counted if cell is None or cell.score is None
        ),
        unparseable=sum(cell.n_unparseable for cell in present) / asked if asked else None,
        cost=_cost(manifest["artifact_facts"], label, raw),
        parts=parts,
    )


def _cost(facts: Json, label: str, raw: Sequence[RecordColumn]) -> dict[str, int]:
    """Tokens generated on the tasks, and what the specialisation took, as far as recorded."""
    written = [
        response.get("tokens")
        for column in raw
        for record in column.cells.get(label, {}).values()
        for item in record.items
        for response in item["responses"]
        if "finish" in response  # a generation; scored answers have no end
    ]
    # Imported answers may come without their number of tokens.
    cost = {} if None in written else {"generated_tokens": sum(map(int, written))}
    own = [facts[stage]["tokens"] for stage in _WRITING if "tokens" in facts.get(stage, {})]
    if own:
        cost["specialising_tokens"] = sum(own)
    return cost | {
        name: facts[stage][key]
        for (stage, key), name in _COSTS.items()
        if key in facts.get(stage, {})
    }


def _ordered(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Each base followed by what was made of it; families by their best average."""

    def score(row: Row) -> float:
        return row.average.score if row.average else -1.0

    family: dict[str, list[Row]] = {}
    for row in rows:
        family.setdefault(row.base or row.model, []).append(row)
    groups = sorted(
        family.items(),
        key=lambda item: (item[1][0].kind == FLOOR, -max(map(score, item[1])), item[0]),
    )
    return tuple(
        row
        for _, members in groups
        for row in sorted(members, key=lambda row: (bool(row.specializer), -score(row), row.label))
    )
