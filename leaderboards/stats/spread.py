"""The differences of all ranked rows of a column, for their ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from leaderboards.stats.opened import OpenColumn
from leaderboards.stats.resampling import Floats, total
from leaderboards.stats.scores import crossed, documents_of, looseness, resample, score_of
from leaderboards.stats.sheet import PairedItems, Selection, paired_views

# Pairs resampled at once: 2 x 80 MB at 10,000 resamples.
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Spread:
    """Every ranked row minus every other on what both answered: (rows, rows).

    `variances` are those of the differences; `documents` counts the fewest behind any.
    """

    labels: tuple[str, ...]
    gaps: Floats
    variances: Floats
    documents: int


NO_SPREAD = Spread((), np.zeros((0, 0)), np.zeros((0, 0)), 0)


def spread_of(
    opened: OpenColumn, table: PairedItems, samples: Mapping[Selection, Floats], resamples: int
) -> Spread:
    """The ranked rows' differences, pair by pair where two did not answer the same."""
    labels, whole = opened.ranked, opened.whole
    if not labels:
        return NO_SPREAD
    scores = np.array([opened.scores[label] for label in labels])
    # Half of a pair's wider spread from either row.
    loose = np.array([looseness(table, whole[label]) for label in labels])
    covariance = np.atleast_2d(np.cov(np.stack([samples[whole[label]] for label in labels])))
    covariance = covariance * np.outer(loose, loose)
    own = np.diag(covariance)
    gaps = scores[:, None] - scores[None, :]
    variances = own[:, None] + own[None, :] - 2 * covariance
    documents = min(opened.cells[label].documents for label in labels)
    special: dict[tuple[int, int], tuple[Selection, Selection]] = {}
    for i in range(len(labels)):
        for j in range(i):
            one, two = whole[labels[i]], whole[labels[j]]
            if (one.mask, one.documents, one.ways) != (two.mask, two.documents, two.ways):
                views = paired_views(table, labels[i], labels[j])
                if views is None:  # nothing in common: nothing can be said
                    gaps[i, j] = gaps[j, i] = 0.0
                else:
                    special[i, j] = views
                    documents = min(documents, documents_of(views[0]))
    # Many such pairs are told apart well enough by fewer resamples.
    count = resamples if len(special) <= _AT_ONCE else max(100, resamples // 10)
    places = list(special)
    for start in range(0, len(places), _AT_ONCE):
        some = places[start : start + _AT_ONCE]
        drawn = resample(table, [view for place in some for view in special[place]], count)
        for i, j in some:
            one, two = special[i, j]
            value = score_of(table, one) - score_of(table, two)
            gaps[i, j], gaps[j, i] = value, -value
            wide = loose[i] * loose[j]
            variances[i, j] = variances[j, i] = wide * float(
                np.var(drawn[one] - drawn[two], ddof=1)
            )
    _add_levels(variances, opened, table, special, resamples)
    return Spread(labels, gaps, variances, documents)


def _add_levels(
    variances: Floats,
    opened: OpenColumn,
    table: PairedItems,
    special: Mapping[tuple[int, int], tuple[Selection, Selection]],
    resamples: int,
) -> None:
    """What other wordings and makes add to the pairs' variances, if any row has several."""
    labels, whole = opened.ranked, opened.whole
    if all(len(whole[label].levels(f)) < 2 for label in labels for f in ("wording", "make")):
        return
    pairs = dict(special)
    for i, mine in enumerate(labels):
        for j, other in enumerate(labels[:i]):
            if whole[mine].ways == whole[other].ways:
                pairs.setdefault((i, j), (whole[mine], whole[other]))
    held_at = crossed(table, [view for both in pairs.values() for view in both], resamples)
    for (i, j), both in pairs.items():
        extra = total(levels.extra() for levels in held_at.gaps(*both))
        variances[i, j] += extra.error**2
        variances[j, i] += extra.error**2
