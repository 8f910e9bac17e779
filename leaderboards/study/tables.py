"""What was found, as Markdown tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.types import Json
from leaderboards.board import Cell, Column, Difference, Interval, Row
from leaderboards.claims.floors import FLOOR
from leaderboards.shown import NOTHING, limits, points, probability, smallest
from leaderboards.stats.simultaneous import agreeing
from leaderboards.study.domains import Cross
from leaderboards.study.sources import Published, Table
from leaderboards.sweeps import AVERAGE, value_text
from leaderboards.text.escape import escaped
from leaderboards.text.grids import difference, score
from leaderboards.text.verdict import judged, verdict


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column flush left; "" without rows."""
    lines = [f"| {' | '.join(map(escaped, row))} |" for row in rows]
    if not lines:
        return ""
    rule = "| :--- |" + " ---: |" * (len(header) - 1)
    return "\n".join([f"| {' | '.join(map(escaped, header))} |", rule, *lines])


def models(boards: Sequence[Published]) -> str:
    """Weights and numerics of every model that was asked, specialised ones by their base.

    A floor is none.
    """
    found = {}
    for board in boards:
        for record in board.records:
            manifest = record.manifest
            if not manifest["specializer"] and manifest["model_kind"] != FLOOR:
                numerics = manifest["numerics"]
                found[manifest["model"], manifest["chat"]] = (
                    manifest["model"],
                    manifest["model_kind"],
                    manifest["model_source"],
                    str(numerics["dtype"]),
                    "chat template" if manifest["chat"] else "plain",
                )
    return markdown(("model", "kind", "weights", "computed in", "asked"), sorted(found.values()))


def tasks(boards: Sequence[Published]) -> str:
    """Each task once: metric, items asked of how many, and what it stands in for."""
    found: dict[tuple[str, str], tuple[Column, set[int]]] = {}
    for table in (table for board in boards for table in board.tables):
        for number, column in enumerate(table.section.columns):
            entry = found.setdefault((table.suite, column.task), (column, set()))
            cells = (row.cells[number] for row in table.section.rows)
            entry[1].update(cell.n for cell in cells if cell)
    return markdown(
        ("suite, task", "kind", "main metric", "items asked", "of", "stands in for"),
        (
            (
                f"{suite}, {task}" + (" (ranks labels)" if column.rank_of else ""),
                column.kind,
                column.metric,
                ", ".join(map(str, sorted(asked))),
                str(column.n_full),
                column.stand_in or NOTHING,
            )
            for (suite, task), (column, asked) in found.items()
        ),
    )


def averages(table: Table) -> str:
    """Every model of a table: average, difference to its base, verdict, unparseable answers."""
    rows = []
    for row in table.section.rows:
        average = row.average
        gap = average.difference if average else None
        rows.append(
            (
                row.label,
                score(average),
                difference(gap),
                probability(gap.p_holm) if gap else NOTHING,
                judged(gap) if gap else NOTHING,
                smallest(gap.detectable) if gap else NOTHING,
                points(row.unparseable),
            )
        )
    header = (
        "model", "average", "difference to its base", "p (Holm)", "verdict", "detectable",
        "unparseable, %",
    )  # fmt: skip
    return markdown(header, rows)


def versus(table: Table) -> str:
    """The method against each control."""
    return markdown(
        ("pair", "difference", "p (Holm)", "verdict", "detectable"),
        (
            (
                f"{first} − {second}",
                difference(gap),
                probability(gap.p_holm),
                judged(gap),
                smallest(gap.detectable),
            )
            for (first, second), gap in table.contrasts.items()
        ),
    )


def by_task(table: Table) -> str:
    """Differences to the base, task by task; * marks those that hold after correction."""
    rows = [
        row for row in table.section.rows if any(cell and cell.difference for cell in row.cells)
    ]
    return markdown(
        ("task", *(row.label for row in rows)),
        (
            (column.task, *(difference(_gap(row.cells[number])) for row in rows))
            for number, column in enumerate(table.section.columns)
            if not column.rank_of
        ),
    )


def parts(row: Row) -> str:
    """Format and knowledge part of one model's gains."""

    def span(value: float, found: Interval) -> str:
        return f"{points(value, sign=True)} {limits(found, sign=True)}"

    return markdown(
        ("task", "n", "gain", "format part", "knowledge part", "verdict on the knowledge part"),
        (
            (
                part.task,
                str(part.n),
                span(part.gain, part.gain_interval),
                span(part.format, part.format_interval),
                span(part.knowledge, part.knowledge_interval),
                _alone(part.knowledge_interval),
            )
            for part in row.parts
        ),
    )


def sweep(section: Json) -> str:
    """The points of a sweep: its average, or its one task, against the parameter."""
    name = AVERAGE if AVERAGE in section["base"] else next(iter(section["base"]), "")
    rows = []
    for point in section["points"]:
        score = point["scores"][name]
        gap = score.get("difference")
        told = (NOTHING, NOTHING, NOTHING)
        if gap:
            value, p = gap["value"], gap["p_holm"]
            alone = Interval(gap["low"], gap["high"])
            # A sweep of a release before has the interval of each difference alone.
            drawn = Interval(
                gap.get("simultaneous_low", alone.low), gap.get("simultaneous_high", alone.high)
            )
            gain = -value if gap.get("lower_is_better") else value
            told = (
                f"{points(value, sign=True)} {limits(agreeing(drawn, value, p), sign=True)}",
                probability(p),
                verdict(gain, alone, p),
            )
        examples = NOTHING if point["examples"] is None else str(point["examples"])
        rows.append((value_text(point["value"]), examples, points(score["score"]), *told))
    header = ("value", "examples trained on", name, "difference to the base", "p (Holm)", "verdict")
    return markdown(header, rows)


def leaks(boards: Sequence[Published]) -> str:
    """What the leak check compared and found, by board and specialised model."""
    rows = []
    for board in boards:
        found: dict[str, list[Json]] = defaultdict(list)
        for record in board.records:
            if leak := record.manifest.get("leak"):
                found[record.manifest["model"]].append(leak)
        for model, checks in sorted(found.items()):
            items, flagged = (sum(check[key] for check in checks) for key in ("items", "flagged"))
            checked = items - sum(check["unchecked"] for check in checks)
            rows.append(
                (
                    f"{board.name}: {model}",
                    str(max(check["texts"] for check in checks)),
                    str(checked),
                    str(flagged),
                    f"{100 * flagged / checked:.2f}" if checked else NOTHING,
                    str(sum(check["touched"] for check in checks)),
                )
            )
    return markdown(
        (
            "board: model",
            "texts",
            "items that could be checked",
            "flagged",
            "flagged, %",
            "touched",
        ),
        rows,
    )


def costs(boards: Sequence[Published]) -> str:
    """What the making took in tokens, and answering in tokens and seconds."""
    keys = ("examples", "specialising_tokens", "training_tokens", "trained_parameters")
    rows = []
    for board in boards:
        written: dict[str, int] = defaultdict(int)
        making: dict[str, tuple[str, ...]] = {}
        for row in (row for table in board.tables for row in table.section.rows):
            written[row.model] += row.cost.get("generated_tokens", 0)
            making[row.model] = tuple(
                f"{row.cost[key]:,}" if key in row.cost else NOTHING for key in keys
            )
        for model, cost in making.items():
            seconds = board.seconds.get(model)
            spent = NOTHING if seconds is None else f"{round(seconds):,}"
            rows.append((f"{board.name}: {model}", *cost, f"{written[model]:,}", spent))
    header = (
        "board: model", "examples", "tokens written for training", "tokens trained on",
        "parameters trained", "tokens answered", "seconds answering",
    )  # fmt: skip
    return markdown(header, rows)


def cross(found: Cross) -> str:
    """A model specialised for each domain, on each suite: differences to the base."""
    return markdown(
        ("model", "specialised for", *(f"on {suite}" for suite in found.suites)),
        (
            (
                row.model,
                row.domain,
                *(
                    f"{difference(row.gaps[suite])}: {judged(row.gaps[suite])}"
                    for suite in found.suites
                ),
            )
            for row in found.rows
        ),
    )


def records(boards: Sequence[Published]) -> str:
    """Which records the study is made of."""
    return markdown(
        ("board", "title", "records", "fingerprint"),
        ((b.name, b.title, str(len(b.records)), b.fingerprint) for b in boards),
    )


def _gap(cell: Cell | None) -> Difference | None:
    return cell.difference if cell else None


def _alone(found: Interval) -> str:
    """A part has an interval and no test: the words say so."""
    if found.low > 0:
        return "above 0 by its interval"
    return "below 0 by its interval" if found.high < 0 else "none shown"
