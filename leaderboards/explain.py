"""Which answers changed against the base, and what the training examples nearest to them are.

A score says how much changed; this says what, item by item, and where in the
data the model was trained on something like it stands. Near is not cause: it
shows what a person should read, not what made the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.artifacts.lineage import documents_of, seeds_of
from harness.errors import UserError, UserErrors
from harness.identity.recorded import task_differences
from harness.leaks.report import LEAKED
from harness.types import UNSCORED, Json, Record
from leaderboards.pages.items import item_value
from leaderboards.records.prompts import first_other
from leaderboards.shown import points

FORMAT = 1
# For answers without right and wrong (ROUGE-L of a long answer): a smaller step is
# mostly another choice of words. Chosen by judgement.
GRADED_STEP = 0.1

# The keys of a training example that are its text; every other key is its lineage.
_TEXT = ("instruction", "input", "output", "text")


@dataclass(frozen=True)
class Neighbour:
    """A training example near an item: how near, what it says, what it was made from.

    `similarity` is a cosine, at most 1. `lineage` holds all the specializer kept:
    which stage saw which seed, settings, filters passed, digests of the prompts.
    """

    example: str
    similarity: float
    seeds: tuple[str, ...]
    documents: tuple[str, ...]
    text: Mapping[str, str]
    lineage: Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """An item whose answer went from wrong to right ("gained") or back ("lost")."""

    id: str
    draw: int
    change: Literal["gained", "lost"]
    input: str
    target: tuple[str, ...]
    base_answer: str
    answer: str
    base_score: float
    score: float
    leaked: bool
    nearest: tuple[Neighbour, ...] = ()


@dataclass(frozen=True)
class Made:
    """One make of a specialised model: its number, its artifact's digest, its mean score."""

    make: int
    artifact: str
    score: float | None


@dataclass(frozen=True)
class Explanation:
    """A specialised model against its base on one task.

    Attributes:
        items: items scored for both, each draw counted.
        rule: what counted as right.
        method: how near was measured.
        makes: each make of the model, where it was made several times; the changes are the
            first one's.
        sources: {"seeds": {id: text}, "passages": {id: text}} of what the examples name.
        of: digests of what it is of: weights, artifact and the task's content.
    """

    model: str
    base: str
    task: str
    shots: int
    metric: str
    items: int
    rule: str
    method: str
    changes: tuple[Change, ...]
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    of: Mapping[str, str] = field(default_factory=dict)
    makes: tuple[Made, ...] = ()

    def count(self, change: str) -> int:
        """How many items were gained or lost."""
        return sum(entry.change == change for entry in self.changes)


def find_changes(
    pairs: Sequence[tuple[Record, Record]],
) -> tuple[str, int, tuple[Change, ...]]:
    """The rule, the number of items compared, and the items that changed.

    Args:
        pairs: (base, specialised) records of one task and number of shots, one
            pair for each draw, at least one.
    Raises:
        UserErrors: records of different weights, task versions or settings.
    """
    faults = [
        fault
        for base, other in pairs
        for fault in (*mismatches(base, other), *other_prompts(base, other))
    ]
    if faults:
        raise UserErrors(faults)
    metric = str(pairs[0][1].manifest["main_metric"])
    if missing := [r for pair in pairs for r in pair if metric not in r.manifest["metrics"]]:
        told = missing[0].manifest
        raise UserError(
            f"the record of {told['model']} on {told['task']}: main_metric: found '{metric}', "
            f"which is not among its metrics. Run the task again."
        )
    function = str(pairs[0][1].manifest["metrics"][metric]["aggregation"])
    compared = [
        (other.manifest["draw"], mine, item)
        for base, other in pairs
        for by_id in [{item["id"]: item for item in _scored(base, metric)}]
        for item in _scored(other, metric)
        if (mine := by_id.get(item["id"])) is not None
        and all(item_value(one["metrics"][metric], function) is not None for one in (mine, item))
    ]
    values = [item["metrics"][metric] for _, *both in compared for item in both]
    # Counts have full marks; a plain number between 0 and 1 has only more or less.
    graded = any(not isinstance(value, list | tuple) and 0 < value < 1 for value in values)
    rule = (
        f"{metric} of the item changed by {GRADED_STEP} or more"
        if graded
        else f"{metric} of the item is full marks for one of the two only"
    )
    found = []
    for draw, mine, item in compared:
        before, after = (item_value(entry["metrics"][metric], function) for entry in (mine, item))
        assert before is not None
        assert after is not None
        step = after - before
        way = (
            (step >= GRADED_STEP) - (step <= -GRADED_STEP)
            if graded
            else (after >= 1) - (before >= 1)
        )
        if way:
            found.append(
                Change(
                    id=str(item["id"]),
                    draw=draw,
                    change="gained" if way > 0 else "lost",
                    input=str(item.get("input", "")),
                    target=tuple(map(str, item["target"])),
                    base_answer=str(mine["answer"]),
                    answer=str(item["answer"]),
                    base_score=before,
                    score=after,
                    leaked=LEAKED in item.get("flags", ()),
                )
            )
    order = {"gained": 0, "lost": 1}
    found.sort(key=lambda entry: (order[entry.change], entry.id, entry.draw))
    return rule, len(compared), tuple(found)


def mismatches(base: Record, other: Record) -> list[str]:
    """What forbids to compare two records item by item."""
    one, two = base.manifest, other.manifest
    keys = ("model_digest", "task_version", "main_metric", "chat", "limit", "decoding", "numerics")
    return [
        f"{two['model']} and {one['model']} on {two['task']}@{two['shots']}: '{key}' differs "
        f"({two.get(key)!r}, expected {one.get(key)!r}). Run both again with one 'bench run'."
        for key in keys
        if one.get(key) != two.get(key)
    ] + [
        f"{two['model']} and {one['model']} on {two['task']}@{two['shots']}: {part} differ. Run "
        "both again with one 'bench run'."
        for part in task_differences(one, two)
    ]


def other_prompts(base: Record, other: Record) -> list[str]:
    """That two records' items were asked in other words, with the first; [] where they were not."""
    item = first_other(base, other)
    one, two = base.manifest, other.manifest
    return (
        [
            f"{two['model']} and {one['model']} on {two['task']}@{two['shots']}: item {item} was "
            "asked in other words. Run both again with one 'bench run'."
        ]
        if item
        else []
    )


def _scored(record: Record, metric: str) -> list[Mapping[str, Any]]:
    return [
        item
        for item in record.items
        if item["status"] not in UNSCORED and metric in item.get("metrics", {})
    ]


def neighbour(row: Mapping[str, Any], similarity: float) -> Neighbour:
    """A row of an artifact's data.jsonl as a neighbour."""
    known = {"id", "documents", *_TEXT}
    return Neighbour(
        example=str(row["id"]),
        similarity=round(similarity, 4),  # the last digits depend on the processor
        seeds=seeds_of(row),
        documents=documents_of(row),
        text={key: str(row[key]) for key in _TEXT if row.get(key)},
        lineage={key: value for key, value in row.items() if key not in known},
    )


def as_json(explanation: Explanation) -> Json:
    """The explanation as its file holds it; docs/explain.md names every key."""
    content = asdict(explanation)
    items, compared = content.pop("changes"), content.pop("items")
    counts = {name: explanation.count(name) for name in ("gained", "lost")}
    return {"format": FORMAT, **content, "compared": compared, **counts, "items": items}


def render_terminal(explanation: Explanation, most: int) -> RenderableType:
    """For a terminal: the counts, then at most `most` items of each kind."""
    head = Text()
    head.append(f"{explanation.model} against {explanation.base}", style="bold")
    head.append(f" on {explanation.task}, {explanation.shots} shots\n")
    head.append(
        f"{explanation.items} items: {explanation.count('gained')} gained, "
        f"{explanation.count('lost')} lost ({explanation.rule}).\n"
    )
    head.append(f"Nearest training examples by {explanation.method}.\n", style="dim")
    for made in explanation.makes:
        shown = points(made.score)
        head.append(f"Make {made.make} ({made.artifact[:8]}): {explanation.metric} {shown}.\n")
    if explanation.makes:
        first = explanation.makes[0].make
        head.append(f"What follows is of make {first}.\n", style="dim")
    parts: list[RenderableType] = [head]
    for kind in ("gained", "lost"):
        found = [entry for entry in explanation.changes if entry.change == kind]
        parts += [_panel(entry, explanation) for entry in found[:most]]
        if len(found) > most:
            left = len(found) - most
            parts.append(Text(f"... and {left} more {kind}; --items {len(found)} shows all.\n"))
    return Group(*parts)


def _panel(entry: Change, explanation: Explanation) -> RenderableType:
    answers = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for label, score in (
        (explanation.base, entry.base_score),
        (explanation.model, entry.score),
        ("expected", None),
    ):
        answers.add_column(label if score is None else f"{label} ({points(score)})", ratio=1)
    shown = (entry.base_answer, entry.answer, " | ".join(entry.target))
    answers.add_row(*(Text(_safe(text)) for text in shown))
    parts: list[RenderableType] = [Text(_safe(entry.input), style="dim"), answers]
    for found in entry.nearest:
        line = Text(f"{found.similarity:.2f} {found.example}: ", style="bold")
        told = " → ".join(_first_line(text) for text in found.text.values())
        line.append(_safe(told), style="not bold")
        parts.append(line)
        for name, ids in (("seed", found.seeds), ("passage", found.documents)):
            texts = explanation.sources.get(f"{name}s", {})
            for source in ids:
                told = f"{source}: {_first_line(texts[source], 90)}" if source in texts else source
                parts.append(Text(f"     from {name} {_safe(told)}", style="dim"))
    draw = f", draw {entry.draw}" if entry.draw else ""
    leaked = ", leaked" if entry.leaked else ""
    colour = "green" if entry.change == "gained" else "red"
    title = Text(f"{entry.change}: {entry.id}{draw}{leaked}")
    return Panel(Group(*parts), title=title, title_align="left", border_style=colour)


def _first_line(text: str, most: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _safe(text: str) -> str:
    """Without the control characters by which a text could steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
