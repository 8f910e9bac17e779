"""Did any score fall? The records here against a baseline's, item by item.

A score fell if even the upper end of the difference's interval, paired on the
same items, lies more than epsilon below zero. Only what was asked in the same
way is compared: another task version, decoding, item limit, chat template,
number of few-shot examples or other words is said, not compared; a model under two
dtypes, or asked in two ways, is compared with itself under the same
(`leaderboards.records.sides`). Nor is a score of which too many answers are missing
on either side: what failed may be what fell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import UserErrors
from harness.identity.recorded import task_differences, task_of
from harness.suites.metrics import Unit, unit_of
from harness.types import Record
from leaderboards.board import ByDraw, Interval, Way
from leaderboards.gather import gather, select
from leaderboards.records.prompts import other_words
from leaderboards.records.sides import Against, Place, against
from leaderboards.shown import limits, points
from leaderboards.spec import BoardSpec
from leaderboards.stats.opened import bounds_of
from leaderboards.stats.resampling import interval
from leaderboards.stats.scores import documents_of, resample, score_of
from leaderboards.stats.sheet import PairedItems, mask_of, paired_views, sheet
from leaderboards.text.escape import escaped
from leaderboards.text.marks import LEAKED
from tasks.aggregation import AGGREGATIONS

Verdict = Literal["fell", "rose", "same", "not comparable", "missing", "new"]
# What must be equal for two records to be compared -> how a difference is told.
_SETTINGS = {
    "suite": "suite",
    "task_version": "task version",
    "chat": "chat template",
    "limit": "item limit",
    "decoding": "decoding",
}
EPSILON = 0.01  # one point of 100: the last digit most papers print


@dataclass(frozen=True)
class GateFinding:
    """One model on one task: before and now, on the items both have.

    `n` counts those items; `prompts` how many of them a specializer asked in other words.
    `leaked` says of how many of them the model was made, before, now, and either.
    `reason` says why there is no comparison, or what else should be known.
    """

    model: str
    task: str
    shots: int
    verdict: Verdict
    metric: str = ""
    before: float | None = None
    now: float | None = None
    difference: Interval | None = None
    n: int = 0
    prompts: int = 0
    reason: str = ""
    unit: Unit = "share"
    leaked: tuple[int, int, int] = (0, 0, 0)


def compare_with(
    baseline: Iterable[Record], records: Iterable[Record], spec: BoardSpec, epsilon: float = EPSILON
) -> tuple[GateFinding, ...]:
    """A finding for every model, task and number of shots that either side has.

    Args:
        spec: which records and metrics count, as on the board.
        epsilon: a fall by less is let pass, 0..1.
    Raises:
        UserErrors: records that cannot be shown, or that claim to be the same.
    """
    before, now = (_fit(side, spec) for side in (baseline, records))
    pairs = against(before, now)
    return tuple(_finding(pair, pairs, spec, epsilon) for pair in pairs)


def _fit(records: Iterable[Record], spec: BoardSpec) -> list[Record]:
    refused: list[str] = []
    records = list(records)
    gather(records, spec, refused)
    if refused:
        raise UserErrors(refused)
    return select(records, spec)


def _finding(
    pair: Against, pairs: Sequence[Against], spec: BoardSpec, epsilon: float
) -> GateFinding:
    place = (pair.name, *pair.place[1:])
    if pair.now is None:
        return GateFinding(*place, "missing", reason=_missing(pair.place, pairs))
    if pair.before is None:
        if apart := _beside_the_old(pair, pairs):
            return GateFinding(*place, "not comparable", reason=apart)
        return GateFinding(*place, "new", reason="the baseline has no such record")
    sides = {"before": pair.before, "now": pair.now}
    manifests = [_manifest(draws) for draws in sides.values()]
    metric = spec.metrics.get(pair.place[1], str(manifests[1]["main_metric"]))
    reason = "; ".join(filter(None, [_not_comparable(manifests, metric), _other_words(sides)]))
    if reason:
        return GateFinding(*place, "not comparable", metric, reason=reason)
    facts = manifests[1]["metrics"][metric]
    table = sheet(sides, metric, str(manifests[1]["rank_of"]) or pair.place[1])
    views = None
    if table is not None and set(sides) <= set(table.answers):
        views = paired_views(table, "now", "before")
    if table is None or views is None:
        return GateFinding(*place, "not comparable", metric, reason="no item was scored in both")
    samples = resample(table, views, spec.resamples)
    values = [score_of(table, view) for view in views]
    unit = unit_of([manifest["metrics"][metric] for manifest in manifests])
    gap, gaps = values[0] - values[1], samples[views[0]] - samples[views[1]]
    # Equal answers leave nothing to be unsure of.
    found = Interval(0.0, 0.0)
    if gap or gaps.any():
        low, high = bounds_of(unit, *table.answers.values())
        found = interval(gaps, gap, documents_of(views[0]), low - high, high - low)
    n = sum(views[0].mask)
    sign = 1 if facts["higher_is_better"] else -1
    best_case = found.high if sign > 0 else -found.low
    verdict: Verdict = "same"
    if best_case < -epsilon:
        verdict = "fell"
    elif (found.low if sign > 0 else -found.high) > epsilon:
        verdict = "rose"
    unanswered, all_leaked = _unanswered(table, spec.missing), _all_leaked(table)
    if all_leaked or (unanswered and verdict != "fell"):
        verdict = "not comparable"
    mask = mask_of(views[0])
    old, new = (table.answers[side].leaked & mask for side in sides)
    return GateFinding(
        *place, verdict, metric, values[1], values[0], found, n,
        prompts=_other_prompts(sides["before"], sides["now"]),
        reason="; ".join(filter(None, [all_leaked, unanswered, _beside(sides, n)])),
        unit=unit,
        leaked=(int(old.sum()), int(new.sum()), int((old | new).sum())),
    )  # fmt: skip


def _unanswered(table: PairedItems, most: float) -> str:
    """Which side misses more answers than a board ranks; "" if none does.

    What the baseline answered is missing now if it has no answer, asked again or not.
    """
    before, now = table.answers["before"], table.answers["now"]
    told = []
    for when, wanted, present in (
        ("in the baseline", before.asked, before.present),
        ("now", now.asked | before.present, now.present),
    ):
        missing, n = int((wanted & ~present).sum()), int(wanted.sum())
        if missing > most * n:
            told.append(f"{missing} of {n} answers are missing {when}, more than {100 * most:g} %")
    return "; ".join(told)


def _all_leaked(table: PairedItems) -> str:
    """Which side was made from every item, and so has no score; "" if none was."""
    for when, side in (("in the baseline", "before"), ("now", "now")):
        scored, leaked = table.answers[side].present, table.answers[side].leaked
        if scored.any() and not (scored & ~leaked).any():
            n = int(scored.sum())
            return f"all {n} scored items are in what the model was made from {when}"
    return ""


def _missing(place: Place, pairs: Sequence[Against]) -> str:
    now = [pair.place for pair in pairs if pair.now is not None]
    shots = sorted({found[2] for found in now if found[:2] == place[:2]})
    if shots and place[2] not in shots:
        return f"asked with {', '.join(map(str, shots))} shots now, {place[2]} in the baseline"
    return "the baseline has it, there is no record now"


def _beside_the_old(pair: Against, pairs: Sequence[Against]) -> str:
    """How a task differs from the baseline's of the same version; "" if it does not.

    A task that was changed with its version kept is asked anew beside the old records. Those
    are still the baseline's, and do not speak for it.
    """
    assert pair.now is not None
    now = _manifest(pair.now)
    before = [
        _manifest(other.before)
        for other in pairs
        if other.before is not None and other.place == pair.place
    ]
    before = [manifest for manifest in before if manifest["suite"] == now["suite"]]
    if any(task_of(manifest) == task_of(now) for manifest in before):
        return ""
    return next(filter(None, (_changed_task(manifest, now) for manifest in before)), "")


def _changed_task(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    parts = task_differences(before, now)
    if not parts or before["task_version"] != now["task_version"]:
        return ""
    return f"the task's version is {now['task_version']} in both, but {' and '.join(parts)} differ"


def _manifest(draws: ByDraw) -> Mapping[str, Any]:
    return next(iter(draws.values())).manifest


def _not_comparable(manifests: Sequence[Mapping[str, Any]], metric: str) -> str:
    before, now = manifests
    reasons = [
        f"{told} {before[key]} in the baseline, {now[key]} now"
        for key, told in _SETTINGS.items()
        if before[key] != now[key]
    ]
    if changed := _changed_task(before, now):
        reasons.append(changed)
    facts = [manifest["metrics"].get(metric) for manifest in manifests]
    if facts[0] is None or facts[1] is None:
        reasons.append(f"metric {metric} is not in both records")
    elif any(facts[0].get(key) != facts[1].get(key) for key in ("aggregation", "higher_is_better")):
        reasons.append(f"metric {metric} is computed in another way")
    elif facts[1]["aggregation"] not in AGGREGATIONS:
        reasons.append(f"metric {metric} cannot be resampled")
    return "; ".join(reasons)


def _other_words(sides: Mapping[str, ByDraw]) -> str:
    """That items were asked in other words before; "" if none was.

    What a specializer makes of a prompt may change: that is what is compared.
    """
    before, now = sides["before"], sides["now"]
    each = (other_words(before[way], now[way]) for way in sorted(before.keys() & now.keys()))
    found = next(filter(None, each), None)
    if found is None:
        return ""
    name, apart, common = found
    return (
        f"{apart} of {common} items were asked in other words in the baseline, the first {name}: "
        "the task or its few-shot examples changed"
    )


def _prompts(draws: ByDraw) -> dict[tuple[Way, str], str]:
    return {
        (draw, item["id"]): item["prompt_sha256"]
        for draw, record in draws.items()
        for item in record.items
    }


def _other_prompts(before: ByDraw, now: ByDraw) -> int:
    old, new = _prompts(before), _prompts(now)
    return sum(new[key] != old[key] for key in new.keys() & old.keys())


def _beside(sides: Mapping[str, ByDraw], n: int) -> str:
    """What else than the common items there is, and whether the numerics differ."""
    told = []
    numerics = [_manifest(side)["numerics"] for side in sides.values()]
    if numerics[0] != numerics[1]:
        told.append("numerics differ (engine, dtype or device)")
    draws = [set(side) for side in sides.values()]
    if draws[0] != draws[1]:
        told.append(f"only draws {sorted(draws[0] & draws[1])} are in both")
    for name, side in sides.items():
        more = max(len(record.items) for record in side.values()) - n
        if more:
            told.append(f"{more} items {name} are not scored in both")
    return "; ".join(told)


def failed(findings: Iterable[GateFinding]) -> list[GateFinding]:
    """The findings that close the gate: scores that fell, and what could not be compared."""
    return [f for f in findings if f.verdict in ("fell", "not comparable", "missing")]


def summary(findings: Sequence[GateFinding], epsilon: float, baseline: str) -> str:
    """The findings as Markdown, those that close the gate first."""
    fell = [f for f in findings if f.verdict == "fell"]
    refused = [f for f in failed(findings) if f.verdict != "fell"]
    compared = [f for f in findings if f.difference is not None]
    if fell:
        head = f"{len(fell)} of {len(compared)} scores fell"
    elif refused:
        head = f"{len(refused)} scores could not be compared"
    else:
        head = f"No score fell ({len(compared)} compared)"
    lines = [
        f"## {head}",
        "",
        f"Against {escaped(baseline)}. A score fell if even the upper end of the paired 95%"
        f" interval is more than {100 * epsilon:g} points below zero.",
        "",
        "| model | task | shots | before | now | difference | n | |",
        "| :--- | :--- | ---: | ---: | ---: | ---: | ---: | :--- |",
    ]
    order = ("fell", "not comparable", "missing", "rose", "same", "new")
    for found in sorted(findings, key=lambda f: order.index(f.verdict)):
        lines.append("| " + " | ".join(_line(found)) + " |")
    if any(map(any, (found.leaked for found in findings))):
        lines += ["", f"{LEAKED} so many of the items are in what the model was made from."]
    return "\n".join(lines) + "\n"


def _line(found: GateFinding) -> list[str]:
    gap = ""
    signs = [f"{LEAKED}{count}" if count else "" for count in found.leaked]
    if found.difference is not None and found.now is not None and found.before is not None:
        value = points(found.now - found.before, sign=True, unit=found.unit)
        gap = f"{value}{signs[2]} {limits(found.difference, sign=True, unit=found.unit)}"
    words = [found.verdict if found.verdict != "fell" else "**fell**", escaped(found.reason)]
    if found.prompts:
        words.append(f"{found.prompts} prompts differ from the baseline's")
    task = f"{found.task} ({found.metric})" if found.metric else found.task
    return [
        escaped(found.model),
        escaped(task),
        str(found.shots),
        points(found.before, unit=found.unit) + signs[0] if found.before is not None else "",
        points(found.now, unit=found.unit) + signs[1] if found.now is not None else "",
        gap,
        str(found.n) if found.n else "",
        "; ".join(word for word in words if word),
    ]
