"""A model that gives one answer to nearly all items has read none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.types import UNSCORED, Record
from leaderboards.board import ByDraw

NEARLY_ALL = 0.9  # by judgement: 18 of 20
FEWEST = 10  # items: one answer to five questions may be right


def one_answer(ways: ByDraw, metric: str) -> float:
    """The share of the items that got the most frequent answer; 0.0 where it is no such share.

    Of closed labels the label counts that was read, of others the text; a published record
    without texts says only how often (`n_same`).
    """
    shares = [_share(record, metric) for record in ways.values()]
    share = sum(shares) / len(shares)
    return share if share >= NEARLY_ALL else 0.0


def _share(record: Record, metric: str) -> float:
    if record.manifest["metrics"].get(metric, {}).get("aggregation") == "macro_f1":
        values = [i["metrics"][metric] for i in record.items if i["status"] not in UNSCORED]
        given = [value[1] for value in values if value[1] >= 0]
        return _most(given, len(values))
    scored = int(record.summary["n_scored"])
    same = int(record.summary.get("n_same", 0))
    return same / scored if scored >= FEWEST else 0.0


def _most(given: Iterable[object], of: int) -> float:
    counts = Counter(given)
    return max(counts.values(), default=0) / of if of >= FEWEST else 0.0
