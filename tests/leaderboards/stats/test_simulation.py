"""Intervals and tests where the truth is known, because the data were drawn from it.

Data sets stand as "models" of a sheet, so that one product resamples many of
them; each batch has resamples of its own. Everything is seeded: the figures in
docs/statistics.md are these.
"""

import numpy as np
import pytest

from leaderboards.board import Cell, Column
from leaderboards.stats.averages import averages
from leaderboards.stats.columns import ScoredColumn
from leaderboards.stats.compare import contrast, documents_of, estimate, resample
from leaderboards.stats.resampling import bootstrap_weights, interval
from leaderboards.stats.sheet import Answers, Sheet, paired_views, whole_view
from leaderboards.stats.significance import holm
from tasks.resample import summands

BATCHES, SETS, RESAMPLES = 20, 100, 1_000  # 2,000 data sets: standard error of a coverage 0.5%
DOCUMENTS = 60


def sheet_of(name, aggregation, data, documents=None):
    """`data`: label -> values, one per item."""
    n = len(next(iter(data.values())))
    answers = {
        label: Answers(
            (0,),
            summands(aggregation, np.asarray(values))[None],
            np.ones(n, bool),
            np.zeros(n, bool),
        )
        for label, values in data.items()
    }
    index = np.arange(n) if documents is None else documents
    return Sheet(name, aggregation, tuple(f"{i:05}" for i in range(n)), index, answers)


def accuracy(rng, abilities):
    """Items of differing difficulty, one per document; one column of 0/1 per ability."""
    difficulty = rng.random(DOCUMENTS)
    return [
        (rng.random(DOCUMENTS) < (difficulty + ability) / 2).astype(float) for ability in abilities
    ]


def clustered(rng, abilities):
    """Five items per document that are right or wrong mostly together."""
    level = np.repeat(rng.random(DOCUMENTS), 5)
    return [
        (rng.random(5 * DOCUMENTS) < (level + ability) / 2).astype(float) for ability in abilities
    ]


def mentions(rng, abilities):
    """[tp, fp, fn] per document; long documents hold more of everything."""
    length = rng.gamma(1.5, 2.0, DOCUMENTS)
    found = []
    for ability in abilities:
        gold = rng.poisson(length)
        hits = rng.binomial(gold, ability)
        found.append(np.stack([hits, rng.poisson(0.4 * length), gold - hits], axis=1))
    return found


KINDS = {
    "accuracy": (accuracy, "mean_score", lambda a: 0.25 + a / 2),
    "clustered accuracy": (clustered, "mean_score", lambda a: 0.25 + a / 2),
    # E[tp] = 3a, E[fp] = 1.2, E[fn] = 3(1 - a), with E[length] = 3.
    "micro-F1": (mentions, "micro_f1", lambda a: 6 * a / (6 * a + 1.2 + 3 * (1 - a))),
}


def documents_for(kind):
    return np.repeat(np.arange(DOCUMENTS), 5) if kind == "clustered accuracy" else None


def simulate(kind, abilities):
    """Sheets of SETS data sets, each with one column per ability: labels `set.ability`."""
    draw, aggregation, truth = KINDS[kind]
    rng = np.random.default_rng(2024)
    for batch in range(BATCHES):
        data = {}
        for number in range(SETS):
            for index, values in enumerate(draw(rng, abilities)):
                data[f"{number}.{index}"] = values
        yield sheet_of(f"{kind} {batch}", aggregation, data, documents_for(kind)), truth


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_intervals_of_scores_cover_the_truth(kind):
    covered = []
    for sheet, truth in simulate(kind, [0.4]):
        views = [whole_view(sheet, label) for label in sheet.answers]
        samples = resample(sheet, views, RESAMPLES)
        for view in views:
            found = interval(samples[view], estimate(sheet, view), documents_of(sheet, view))
            covered.append(found.low <= truth(0.4) <= found.high)
    print(kind, "coverage of a score", np.mean(covered))
    assert 0.93 <= np.mean(covered) <= 0.97


def contrasts(sheet):
    pairs = [paired_views(sheet, f"{n}.1", f"{n}.0") for n in range(SETS)]
    samples = resample(sheet, [view for views in pairs for view in views], RESAMPLES)
    return contrast(sheet, pairs, samples, RESAMPLES).values()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_intervals_of_differences_cover_the_truth(kind):
    covered = []
    for sheet, truth in simulate(kind, [0.3, 0.5]):
        gap = truth(0.5) - truth(0.3)
        for found in contrasts(sheet):
            limits = interval(found.samples, found.value, found.documents, low=-1.0)
            covered.append(limits.low <= gap <= limits.high)
    print(kind, "coverage of a difference", np.mean(covered))
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_equal_models_are_rarely_told_apart(kind):
    found = [entry for sheet, _ in simulate(kind, [0.4, 0.4]) for entry in contrasts(sheet)]
    expected = "McNemar, exact" if kind == "accuracy" else "randomisation"
    assert {entry.test for entry in found} == {expected}
    rate = np.mean([entry.p < 0.05 for entry in found])
    print(kind, "false positives", rate)
    assert rate <= 0.055


def test_a_table_of_equal_models_rarely_has_any_significant_cell():
    p_values = np.array(
        [entry.p for sheet, _ in simulate("micro-F1", [0.4, 0.4]) for entry in contrasts(sheet)]
    )
    tables = p_values.reshape(-1, 10)  # ten tasks each
    rate = np.mean([min(holm(table)) < 0.05 for table in tables])
    print("false positives per table of ten, after Holm", rate)
    assert rate <= 0.055 + 2 * 0.015  # 200 tables: standard error 1.5%


TASKS, ITEMS, SPREAD = 10, 40, 0.15


def suite(rng, name):
    """Ten tasks drawn from a population of tasks whose mean score is 0.5."""
    levels = 0.5 + SPREAD * rng.uniform(-1, 1, TASKS) * np.sqrt(3)
    columns, scored = [], []
    for task, level in enumerate(levels):
        columns.append(
            Column(f"t{task}", "1", "accuracy", {}, "", "", True, "", "", ITEMS, True, True)
        )
        values = (rng.random(ITEMS) < level).astype(float)
        weights = bootstrap_weights(f"{name} {task}", ITEMS, 0, RESAMPLES)
        mean = values.mean()
        cell = Cell(mean, None, ITEMS, ITEMS, 0, 0, 0, True, (0,), (mean,), ITEMS)
        scored.append(ScoredColumn({"m": cell}, {"m": weights @ values / ITEMS}, {}))
    return levels, averages(columns, scored, {}, RESAMPLES)["m"]


def test_the_averages_two_intervals_cover_their_two_truths():
    rng = np.random.default_rng(7)
    these, like_these = [], []
    for number in range(500):
        levels, average = suite(rng, f"suite {number}")
        these.append(average.interval.low <= levels.mean() <= average.interval.high)
        like_these.append(average.beyond.low <= 0.5 <= average.beyond.high)
    print("coverage of an average: these tasks", np.mean(these), "like these", np.mean(like_these))
    assert 0.93 <= np.mean(these) <= 0.97
    assert 0.93 <= np.mean(like_these) <= 0.97
