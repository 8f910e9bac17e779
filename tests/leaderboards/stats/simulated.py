"""Data drawn from known truths: rare labels, and wordings and makes that differ.

`SIMULATED=20` draws twenty times as many data sets as a test of every day: the figures of
docs/statistics.md.
"""

import os

import numpy as np

from leaderboards.stats.compare import contrast
from leaderboards.stats.resampling import interval, total
from leaderboards.stats.scores import crossed, documents_of, resample, score_of
from leaderboards.stats.sheet import PairedItems, Summands, paired_views, whole_view
from tasks.resample import summands

TIMES = int(os.environ.get("SIMULATED", "1"))
RESAMPLES = 400
BATCH = 50


def slack(sets):
    """Two standard errors of a coverage of 95 % in so many data sets."""
    return 2 * np.sqrt(0.95 * 0.05 / sets)


def sheet_of(name, aggregation, data):
    """`data`: label -> (way -> values, one per item); each item is a document."""
    answers = {}
    for label, ways in data.items():
        n = len(next(iter(ways.values())))
        table = np.stack([_summands(aggregation, values) for values in ways.values()])
        nothing = np.zeros(n, bool)
        answers[label] = Summands(tuple(ways), table, np.arange(n), ~nothing, nothing)
    return PairedItems(name, aggregation, tuple(f"{i:05}" for i in range(n)), answers)


def _summands(aggregation, values):
    if aggregation != "macro_f1":
        return summands(aggregation, np.asarray(values))
    # All data sets of a sheet have as many labels: a further row names the last, and is dropped.
    return summands(aggregation, np.vstack([values, [LABELS - 1, -1]]))[:-1]


LABELS = 3


def gold_of(rng, shares, n, least):
    """Labels as `--limit` takes them: their shares kept, at least `least` of each; 0 for any."""
    if not least:
        return rng.choice(len(shares), n, p=shares)
    counts = np.maximum(np.floor(np.array(shares) * n + 1e-9).astype(int), least)
    counts[0] += n - counts.sum()
    return np.repeat(np.arange(len(shares)), counts)


def macro_f1(confusion, shares):
    """Of given label probabilities by gold label (labels, labels + none) and the labels' shares."""
    shares = np.asarray(shares, dtype=float)
    table = shares[:, None] * np.asarray(confusion)[:, : len(shares)]
    hits, claimed = np.diag(table), table.sum(axis=0)
    return float(np.mean((2 * hits / (shares + claimed))[shares > 0]))


def shares_in(gold, shares, least):
    """What a score of this sample is an estimate of: the labels that it has."""
    counts = np.bincount(gold, minlength=len(shares))
    found = counts / len(gold) if least else np.array(shares) * (counts > 0)
    return found / found.sum()


def given(rng, confusion, gold):
    """An answer to each item, -1 where none of the labels."""
    bounds = np.cumsum(np.asarray(confusion), axis=1)[gold]
    found = (rng.random(len(gold))[:, None] > bounds[:, :-1]).sum(axis=1)
    return np.where(found == len(confusion), -1, found)


def scored(sheet):
    """Interval of each model's score, and its value."""
    views = {label: whole_view(sheet, label) for label in sheet.answers}
    samples = resample(sheet, views.values(), RESAMPLES)
    held_at = crossed(sheet, views.values(), RESAMPLES)
    for label, view in views.items():
        value = score_of(sheet, view)
        found = interval(samples[view], value, documents_of(view))
        extra = total(levels.extra() for levels in held_at.of(view))
        yield label, value, extra.widened(found, value, 0.0, 1.0)


def compared(sheet, pairs):
    """The contrast of each pair of models."""
    views = [paired_views(sheet, *pair) for pair in pairs]
    samples = resample(sheet, [view for both in views for view in both], RESAMPLES)
    found = contrast(sheet, views, samples, RESAMPLES)
    return [found[both] for both in views]


def inside(found, truth):
    return found.low - 1e-9 <= truth <= found.high + 1e-9
