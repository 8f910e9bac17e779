"""The differences of all ranked rows of a column, for their ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from leaderboards.stats.compare import documents_of, estimate, resample
from leaderboards.stats.opened import OpenColumn
from leaderboards.stats.resampling import Floats
from leaderboards.stats.sheet import Sheet, View, paired_views

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
    opened: OpenColumn, table: Sheet, samples: Mapping[View, Floats], resamples: int
) -> Spread:
    """The ranked rows' differences, pair by pair where two did not answer the same."""
    labels, whole = opened.ranked, opened.whole
    if not labels:
        return NO_SPREAD
    scores = np.array([opened.scores[label] for label in labels])
    covariance = np.atleast_2d(np.cov(np.stack([samples[whole[label]] for label in labels])))
    own = np.diag(covariance)
    gaps = scores[:, None] - scores[None, :]
    variances = own[:, None] + own[None, :] - 2 * covariance
    documents = min(opened.cells[label].documents for label in labels)
    special: dict[tuple[int, int], tuple[View, View]] = {}
    for i in range(len(labels)):
        for j in range(i):
            one, two = whole[labels[i]], whole[labels[j]]
            if (one.mask, one.documents, one.draws) != (two.mask, two.documents, two.draws):
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
            value = estimate(table, one) - estimate(table, two)
            gaps[i, j], gaps[j, i] = value, -value
            variances[i, j] = variances[j, i] = float(np.var(drawn[one] - drawn[two], ddof=1))
    return Spread(labels, gaps, variances, documents)
