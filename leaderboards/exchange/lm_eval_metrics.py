"""lm-eval's own word on a metric: how its items become a score, its unit, its standard error.

A results file names an aggregation only where the task's YAML does; else it is the
metric's own, in lm-eval's registry. A function of the task is dumped as its source.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from harness.suites.metrics import metric_facts
from harness.types import Json
from tasks.aggregation import AGGREGATIONS

BYPASS = "bypass"  # lm-eval's "metric" of --predict_only: nothing was scored
NO_ERROR = "N/A"  # what lm-eval writes where it has no standard error
# The aggregations that lm-eval resamples for a standard error: 100 times where each
# takes long, as it does itself, else 1,000 times (it takes 100,000).
_RESAMPLED = ("median", "matthews_corrcoef", "f1_score", "perplexity", "nanmean")
_SLOW = ("bleu", "chrf", "chrfpp", "ter")
_RESAMPLES = 1000
_TASKS_OWN = "lm-eval's task."  # before the name of a function that only a task elsewhere has
_FUNCTION = re.compile(r"\s*def (\w+)\(")

Function = Callable[[Sequence[Any]], float]


def stated_facts(
    metric: str, stated: str | None, higher: bool | None, values: Sequence[Any]
) -> tuple[Json, Function | None]:
    """A record's facts of a metric, and the function that makes its score, if it is known here.

    Args:
        metric: its name, without filter.
        stated: "aggregation" of the task's configuration; None where it names none.
        higher: "higher_is_better" as lm-eval writes it; None means yes.
        values: of the items, and the score itself.
    """
    function = _function(metric, stated)
    facts = metric_facts(function or _unknown, higher is not False, values)
    if function is None:
        source = _FUNCTION.match(str(stated))
        facts["aggregation"] = _TASKS_OWN + (source[1] if source else str(stated))
    return facts, function


def _unknown(_: Sequence[Any]) -> float:
    return math.nan


def _function(metric: str, stated: str | None) -> Function | None:
    """What is computed; None where only the task's own code knows."""
    from lm_eval.api import metrics, registry  # metrics: fills the registry

    source = _FUNCTION.match(str(stated))
    if source is not None:
        return _ours(source[1], str(stated))
    if stated is None:
        # What process_results returns and no list names is averaged.
        defaults = registry.METRIC_AGGREGATION_REGISTRY
        own: Function = defaults.get(metric) if metric in defaults else metrics.mean
        return own
    known = registry.AGGREGATION_REGISTRY
    theirs: Function | None = known.get(stated) if stated in known else None
    return theirs or AGGREGATIONS.get(stated)


def registered(aggregation: str) -> str:
    """The name under which lm-eval's YAML knows an aggregation that a record names."""
    names = {"f1_score": "f1", "chrfpp": "chrf++", "bypass_agg": "bypass"}
    return names.get(aggregation, aggregation.removeprefix(_TASKS_OWN))


def _ours(name: str, source: str) -> Function | None:
    """This project's aggregation of that name, if the text is its source."""
    own = AGGREGATIONS.get(name)
    return own if own is not None and inspect.getsource(own).strip() == source.strip() else None


def standard_error(aggregation: str, values: Sequence[Any]) -> float | str:
    """A score's standard error, or what lm-eval writes where there is none.

    Means have lm-eval's formula; what it resamples is resampled over items, and so are
    this project's sums of counts (F1 over a corpus), of which it knows nothing.

    Args:
        aggregation: as a record names it.
        values: of the scored items.
    """
    import numpy as np
    from lm_eval.api import metrics

    from leaderboards.stats.resampling import bootstrap_weights
    from tasks.resample import aggregate_resampled

    count = len(values)
    if count < 2:
        return NO_ERROR
    if aggregation in ("mean", "mean_score"):
        return float(metrics.mean_stderr(values))
    if aggregation in AGGREGATIONS:
        weights = bootstrap_weights("standard error", count, 0, _RESAMPLES)
        samples = aggregate_resampled(aggregation, np.array(values), weights)
        return float(np.std(samples, ddof=1))
    if aggregation in (*_RESAMPLED, *_SLOW):
        function = getattr(metrics, aggregation)
        times = 100 if aggregation in _SLOW else _RESAMPLES
        taken = bootstrap_weights("standard error", count, 0, times).astype(int)
        drawn = [function([v for v, n in zip(values, row, strict=True) for _ in range(n)])
                 for row in taken]  # fmt: skip
        return float(np.std(drawn, ddof=1))
    return NO_ERROR
