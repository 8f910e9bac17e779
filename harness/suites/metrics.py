"""What a metric is: how its items become one value, in which unit, and which way is better.

lm-eval's registry says it of its own metrics, a task's card of any other. What neither
knows is read off the values themselves: an average of numbers between 0 and 1 is a
share, anything else is a plain number and is shown as it is.

A function is named by where it stands, so that a suite's own `macro_f1` is never taken
for another one: bare names are lm-eval's and this project's alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from harness.types import Json

# "share": 0..1, shown as points of 100. "points": lm-eval's own points (BLEU, chrF, TER).
# "number": has no bounds that are known; shown as it is, never averaged over tasks.
# "bits per byte": of a text that is scored, not written; 0 or more, less is better.
Unit = Literal["share", "points", "number", "bits per byte"]
UNITS: tuple[Unit, ...] = get_args(Unit)

# The aggregations of lm-eval whose values are no shares, by function and registered name.
_UNITS: dict[str, Unit] = {
    "perplexity": "number",
    "weighted_perplexity": "number",
    "bits_per_byte": "number",
    "brier_score": "number",
    "matthews_corrcoef": "number",
    "bypass": "number",
    "bypass_agg": "number",
    "bleu": "points",
    "chrf": "points",
    "chrfpp": "points",
    "chrf++": "points",
    "ter": "points",
}
_BARE = ("tasks.aggregation", "lm_eval.api.metrics")


def aggregation_name(function: Callable[..., Any]) -> str:
    """How a record names an aggregation; the same in every process."""
    if isinstance(function, functools.partial):
        return f"partial({aggregation_name(function.func)})"
    name = str(getattr(function, "__name__", type(function).__name__))
    module = str(getattr(function, "__module__", "") or "")
    if module in _BARE:
        return name
    # lm-eval names a module beside the YAML by its path, which is another on each machine.
    return f"{module.replace(chr(92), '/').rpartition('/')[2]}.{name}"


def metric_facts(
    function: Callable[..., Any],
    higher_is_better: bool,
    values: Iterable[Any],
    stated: str = "",
) -> Json:
    """What a record says of a metric.

    Args:
        values: of the items, and the metric's own.
        stated: the unit that the task's card gives, or "".
    """
    name = aggregation_name(function)
    unit = stated or _UNITS.get(name) or ("share" if _between(values) else "number")
    return {"aggregation": name, "higher_is_better": higher_is_better, "unit": unit}


def unit_of(facts: Sequence[Mapping[str, Any]]) -> Unit:
    """The one unit in which the same metric of several records is shown: the widest of them.

    Records from before units were kept have none: their aggregation tells.
    """
    found = {fact.get("unit") or _UNITS.get(str(fact.get("aggregation"))) for fact in facts}
    return next((unit for unit in ("number", "bits per byte", "points") if unit in found), "share")  # type: ignore[return-value]


def _between(values: Iterable[Any]) -> bool:
    """Whether every number, also inside lists, is in 0..1; counts that are summed do not speak."""
    return all(0 <= value <= 1 for value in values if isinstance(value, int | float))
