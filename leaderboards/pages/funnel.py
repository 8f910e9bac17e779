"""How a model's training examples were made: what was asked, read, kept, and what fell out.

The counts are those of the artifact's stages (`facts` of its manifest). A stage that
says what it accepted and what its filters dropped is drawn, any specializer's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from leaderboards.pages.plots import figure, text_at

_ROW = 26  # pixels: one line of text beside its bar
_BARS, _NUMBERS = 42.0, 97.0  # percent across: where bars begin, and numbers end


@dataclass(frozen=True)
class Step:
    """A line of the funnel: `count` things, of which `start` lie left of the bar.

    `kind` is "asked", "read" (what is added counts as that), "dropped" or "kept".
    """

    label: str
    kind: str
    count: int
    start: int = 0


def steps(facts: Mapping[str, Any]) -> list[Step]:
    """The funnel's lines, stage after stage; what fell out most first."""
    found: list[Step] = []
    for name, stage in facts.items():
        if isinstance(stage, Mapping) and isinstance(stage.get("dropped"), Mapping):
            found += _of_stage(name.replace("_", " "), stage)
    trained = facts.get("training")
    if found and isinstance(trained, Mapping) and "examples" in trained:
        found.append(Step("trained on", "kept", int(trained["examples"])))
    return found


def _of_stage(name: str, stage: Mapping[str, Any]) -> Iterator[Step]:
    kept, mined = int(stage.get("accepted", 0)), int(stage.get("mined", 0))
    dropped = {str(key): int(count) for key, count in stage["dropped"].items()}
    read = int(stage.get("candidates", kept - mined + sum(dropped.values())))
    if "calls" in stage:
        failed = int(stage.get("failed_calls", 0))
        told = f"{name}: asked" + (f" ({failed} calls failed)" if failed else "")
        yield Step(told, "asked", int(stage["calls"]))
    yield Step(f"{name}: read", "read", read)
    left = read
    for reason, count in sorted(dropped.items(), key=lambda entry: (-entry[1], entry[0])):
        left -= count
        yield Step(f"dropped: {reason.replace('_', ' ')}", "dropped", count, max(left, 0))
    if mined:
        yield Step("added: from texts, by no model", "read", mined, max(left, 0))
    yield Step(f"{name}: kept", "kept", kept)


def funnel(key: str, facts: Mapping[str, Any]) -> Markup | None:
    """The funnel as a plot; None where no stage tells its counts."""
    lines = steps(facts)
    if not lines:
        return None
    widest = max(1, *(line.start + line.count for line in lines))
    share = (86.0 - _BARS) / widest
    body = []
    for number, line in enumerate(lines):
        y = number * _ROW
        body.append(text_at(0, y + 16, line.label, "name" if line.kind != "dropped" else "axis"))
        body.append(
            Markup('<rect x="{:.2f}%" y="{}" width="{:.2f}%" height="13" class="{}"/>').format(
                _BARS + share * line.start, y + 5, max(share * line.count, 0.3), line.kind
            )
        )
        sign = "−" if line.kind == "dropped" else ""
        body.append(text_at(_NUMBERS, y + 16, f"{sign}{line.count:,}", "number end"))
    rows = [(line.label, f"{line.count:,}") for line in lines]
    return figure(
        key,
        "From calls to training examples",
        "What the model was asked for, what could be read of it, and what each filter dropped.",
        _ROW * len(lines) + 6,
        body,
        ("", "count"),
        rows,
    )
