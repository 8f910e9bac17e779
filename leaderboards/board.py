"""What a board holds: plain numbers, ready to be drawn in any form.

Scores, differences and limits are on a 0..1 scale, or, where a `unit` says so, in
the metric's own; None means there is no such number. `as_json` rounds to six
digits, so that the last bits of a sum, which depend on the processor, never reach a
file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from harness.suites.metrics import Unit
from harness.types import Json, Record
from leaderboards.references import Reference

FORMAT = 3
SIGNIFICANT = 0.05  # a corrected p below this is a star


@dataclass(frozen=True)
class Difference:
    """A model minus another on the same items, resampled together.

    Attributes:
        other: label of the row it is compared with.
        value: the difference.
        interval: of the difference, were it the only one.
        simultaneous: the same for all comparisons of the table at once, without 0 where
            and only where `p_holm` is below 0.05: what tables and plots draw.
        p: of the test named in `test`; `p_holm` the same after correction for
            all comparisons of its kind in the table.
        detectable: smallest difference found in 80% of cases with this many documents.
        n: items both models were scored on.
        draws: those both have, where one of the two scores is of more; else ().
        wordings: the same of wordings.
        unlike: in what the two were not run alike, where no base was; see
            `leaderboards.records.rows.compared_with`.
        beyond: interval of the average over other tasks of this kind; only for
            averages over at least five tasks.
        unit: of value, intervals and detectable; see `harness.suites.metrics.Unit`.
        lower_is_better: a negative difference is a gain.
        lacking: the larger of the two rows' shares of missing answers, where it is above
            what a board ranks: what failed may be what differs; else 0.
        leaks: of the `n` items, those found in what either of the two was made from.
    """

    other: str
    value: float
    interval: Interval
    simultaneous: Interval
    p: float
    p_holm: float
    test: str
    detectable: float | None
    n: int
    beyond: Interval | None = None
    unit: Unit = "share"
    draws: tuple[int, ...] = ()
    unlike: tuple[str, ...] = ()
    lower_is_better: bool = False
    lacking: float = 0.0
    wordings: tuple[int, ...] = ()
    leaks: int = 0

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below `SIGNIFICANT`."""
        return self.p_holm < SIGNIFICANT

    @property
    def gain(self) -> float:
        """The difference with the sign of a gain: above 0 is better, whatever the metric."""
        return -self.value if self.lower_is_better else self.value


@dataclass(frozen=True)
class Cell:
    """A model on a task: score, interval, counts.

    Attributes:
        score: None where no item was scored, or every item was in what the model was
            made from (`untested`).
        interval: None where the metric cannot be resampled.
        complete: False when a call failed.
        draws: the demonstration draws averaged over.
        by_draw: the score with each: their spread is how much the choice of
            demonstrations matters.
        wordings: of the task's instruction that the score is the mean of; `by_wording` is
            the score in each.
        makes: of the specialised model that the score is the mean of, by number; `by_make`
            is the score of each.
        one_answer: the share of items with one and the same answer, where nearly all have it.
        floor: the best row without a model, where there is one.
        weight: how much one item of the rarest label can move the score.
        rank: the range of places the model may hold; None where too much is missing.
        best: whether no ranked row has a better score; several where they tie.
        to_best: the difference to the task's best model, of rows that are not the best.
        leaked: items found in what the model was made from.
        clean: the difference without items found in what either of the two was made
            from, where there are any.
        missing: the share of items without a score.
        bounds: the score if every missing answer were wrong, and if every one were
            right; None where nothing is missing, or the metric has no known range.
    """

    score: float | None
    interval: Interval | None
    n: int
    n_scored: int
    n_unparseable: int
    n_error: int
    n_cut: int
    complete: bool
    draws: tuple[int, ...]
    by_draw: tuple[float, ...]
    documents: int
    rank: tuple[int, int] | None = None
    difference: Difference | None = None
    to_best: Difference | None = None
    leaked: int = 0
    clean: Difference | None = None
    unit: Unit = "share"
    untested: bool = False
    best: bool = False
    missing: float = 0.0
    bounds: Interval | None = None
    wordings: tuple[int, ...] = (0,)
    by_wording: tuple[float, ...] = ()
    makes: tuple[int, ...] = (0,)
    by_make: tuple[float, ...] = ()
    one_answer: float = 0.0
    floor: Floor | None = None
    weight: float = 0.0


@dataclass(frozen=True)
class Average:
    """The unweighted mean over the tasks that count.

    `interval` is for these tasks with other items (items and draws resampled);
    `beyond` for other tasks of this kind (tasks resampled). `missing` is the largest
    share of missing answers on any of the tasks, `bounds` what the average would be
    with all of them wrong and all right, `leaked` the items found in what the model
    was made from.
    """

    score: float
    interval: Interval | None
    beyond: Interval | None
    rank: tuple[int, int] | None
    difference: Difference | None
    to_best: Difference | None
    best: bool = False
    unit: Unit = "share"  # nothing else is averaged
    missing: float = 0.0
    bounds: Interval | None = None
    leaked: int = 0


# The entry of a column's decoding that says that each model is in its own best wording.
WORDING = "wording"


@dataclass(frozen=True)
class Column:
    """A task as one table shows it. What differs in any of these is another column."""

    task: str
    version: str
    metric: str
    decoding: Mapping[str, Any]
    title: str
    kind: str
    higher_is_better: bool
    rank_of: str
    stand_in: str
    n_full: int
    redistribute: bool
    in_average: bool
    unit: Unit = "share"
    suite: str = ""


@dataclass(frozen=True)
class Part:
    """One task's gain, split: `gain` = `format` + `knowledge`, with intervals."""

    task: str
    ranking_task: str
    metric: str
    n: int
    gain: float
    gain_interval: Interval
    format: float
    format_interval: Interval
    knowledge: float
    knowledge_interval: Interval


@dataclass(frozen=True)
class Row:
    """A model in one table; `cells` has an entry per column, None where nothing was run.

    `origin` is "" for what was run here, else where its records were imported
    from. `asked` says how, where not all rows of the table were asked alike. `cost`
    holds what is the same in every run: tokens generated in this table, and what the
    specialisation took. `bits` has an entry per column of the section's `bits`.
    """

    label: str
    model: str
    base: str
    specializer: str
    artifact: str
    kind: str
    origin: str
    numerics: Mapping[str, Any]
    cells: tuple[Cell | None, ...]
    average: Average | None
    missing: tuple[str, ...]
    unparseable: float | None
    cost: Mapping[str, Any]
    parts: tuple[Part, ...] = ()
    asked: str = ""
    bits: tuple[Cell | None, ...] = ()


@dataclass(frozen=True)
class Floor:
    """The best row of a task that needs no model, and whether a score is surely above it.

    `interval` is that of the score's difference to it, on the same items.
    """

    label: str
    score: float
    interval: Interval
    above: bool


@dataclass(frozen=True)
class Signal:
    """How far a task tells its models apart (`leaderboards.claims.signal`).

    Attributes:
        column: its place in the table.
        signal, noise: standard deviations, in the score's unit; `ratio` of the two, None
            where nothing is noise.
        of: what the noise is of.
        tells: whether the task tells its models apart.
    """

    column: int
    signal: float
    noise: float
    ratio: float | None
    of: str
    tells: bool
    unit: Unit = "share"


@dataclass(frozen=True)
class Retained:
    """What a specialised row kept on a general suite: the difference to its base, and in words."""

    label: str
    title: str
    tasks: int
    difference: Difference
    verdict: str


@dataclass(frozen=True)
class Reading:
    """How a row's answers on a column read: counts of `items`, and scores read otherwise.

    Attributes:
        length: cut by the limit of tokens; `refused` by the server; `copied`: the
            instruction's example.
        lenient, strict: the main metric where answers are read kindly, or to the letter.
    """

    label: str
    column: int
    items: int
    length: int
    refused: int
    copied: int
    lenient: float | None
    strict: float | None


@dataclass(frozen=True)
class Section:
    """One table: everything in it was asked in the same way."""

    title: str
    shots: int
    chat: bool
    limit: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    signals: tuple[Signal, ...] = ()
    bits: tuple[Column, ...] = ()
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class GroupScore:
    """A group's own score of one row, as lm-eval averages it (see `leaderboards.stats.groups`).

    `asked` says with how many shots and whether as chats; `weighted` whether tasks count by
    their items. `interval` is for these tasks with other documents. `missing` is the
    largest share of missing answers on any of them, `leaked` the items found in what the model
    was made from.
    """

    group: str
    alias: str
    version: str
    metric: str
    weighted: bool
    label: str
    asked: str
    score: float
    interval: Interval | None
    tasks: int
    n: int
    documents: int
    unit: Unit = "share"
    missing: float = 0.0
    leaked: int = 0


@dataclass(frozen=True)
class Board:
    """A whole board.

    `refused` names the records that cannot be shown, and why. `most_missing` is the
    share of missing answers above which a row has no rank.
    """

    name: str
    title: str
    resamples: int
    sections: tuple[Section, ...]
    references: tuple[Reference, ...] = ()
    notes: tuple[str, ...] = field(default=())
    refused: tuple[str, ...] = field(default=())
    most_missing: float = 0.02
    groups: tuple[GroupScore, ...] = field(default=())
    retention: tuple[Retained, ...] = field(default=())


def in_points(value: float, unit: Unit) -> float:
    """A share in points of 100; every other value as it is."""
    return 100 * value if unit == "share" else value


_UNSAID: tuple[tuple[str, Any], ...] = (
    ("unit", "share"),
    ("groups", []),
    ("retention", []),
    ("signals", []),
    ("bits", []),
    ("readings", []),
    ("one_answer", 0.0),
    ("floor", None),
    ("weight", 0.0),
    ("lower_is_better", False),
    ("lacking", 0.0),
    ("leaks", 0),
    # One wording and one make: the score itself is that of each.
    *(("wordings", [0]), ("wordings", []), ("by_wording", []), ("makes", [0]), ("by_make", [])),
)


def as_json(board: Board) -> Json:
    """The board as JSON holds it, numbers rounded to six digits."""
    return {"format": FORMAT, **_without_shares(rounded(asdict(board)))}


def _without_shares(value: Any) -> Any:
    """Plain data without what goes without saying: shares, no groups, more is better."""
    if isinstance(value, dict):
        return {
            key: _without_shares(entry)
            for key, entry in value.items()
            if (key, entry) not in _UNSAID
        }
    return [_without_shares(entry) for entry in value] if isinstance(value, list) else value


def rounded(value: Any) -> Any:
    """Plain data with every number rounded to six digits; what is none of JSON's is null."""
    if isinstance(value, float):
        return round(value, 6) + 0.0 if math.isfinite(value) else None  # never -0.0
    if isinstance(value, Mapping):
        return {str(key): rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry) for entry in value]
    return value


@dataclass(frozen=True)
class Interval:
    """A confidence interval at `CONFIDENCE`."""

    low: float
    high: float


Setting = tuple[int, bool, int]  # shots, chat, limit


class Way(NamedTuple):
    """One way in which a cell's model was asked, and which of its makes it was."""

    draw: int = 0
    wording: int = 0
    make: int = 0

    @property
    def asked(self) -> tuple[int, int]:
        """Draw and wording: what was asked, whichever make answered."""
        return self.draw, self.wording


def way_of(record: Record) -> Way:
    """The place of a record in its cell; records from before a fact was kept have 0 there."""
    manifest = record.manifest
    return Way(int(manifest["draw"]), int(manifest.get("wording", 0)), int(manifest.get("make", 0)))


ByDraw = Mapping[Way, Record]


@dataclass(frozen=True)
class RecordColumn:
    """A column and the records in it: row label -> draw, wording and make -> record."""

    column: Column
    cells: Mapping[str, ByDraw]


@dataclass(frozen=True)
class RecordTable:
    """A table before any statistics; `rows` holds one record of each row for its facts."""

    setting: Setting
    columns: tuple[RecordColumn, ...]
    rows: Mapping[str, Record]
