"""Intervals and tests where the truth is known, because the data were drawn from it.

Data sets stand as "models" of a sheet, so that one product resamples many of
them; each batch has resamples of its own. Everything is seeded: the figures in
docs/statistics.md are these.
"""

import numpy as np
import pytest

from leaderboards.board import Column, RecordColumn, Way
from leaderboards.stats.averages import Averages
from leaderboards.stats.columns import score_column
from leaderboards.stats.compare import contrast
from leaderboards.stats.opened import open_column
from leaderboards.stats.resampling import interval
from leaderboards.stats.scores import documents_of, resample, score_of
from leaderboards.stats.sheet import PairedItems, Summands, paired_views, whole_view
from leaderboards.stats.significance import holm
from tasks.resample import summands
from tests.leaderboards.records import record

BATCHES, SETS, RESAMPLES = 20, 100, 1_000  # 2,000 data sets: standard error of a coverage 0.5%
DOCUMENTS = 60


def sheet_of(name, aggregation, data, documents=None):
    """`data`: label -> values, one per item."""
    n = len(next(iter(data.values())))
    answers = {
        label: Summands(
            (Way(),),
            summands(aggregation, np.asarray(values))[None],
            np.arange(n) if documents is None else documents,
            np.ones(n, bool),
            np.zeros(n, bool),
        )
        for label, values in data.items()
    }
    return PairedItems(name, aggregation, tuple(f"{i:05}" for i in range(n)), answers)


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
            found = interval(samples[view], score_of(sheet, view), documents_of(view))
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


def averaged(name, answers):
    """The averages of a table of `answers`: label -> task -> 0/1 values; b is compared with a."""
    opened = []
    for task in range(len(answers["a"])):
        cells = {
            label: {Way(): record(label, f"{name} {task}", values[task].tolist(), draw=0)}
            for label, values in answers.items()
        }
        column = Column(
            f"{name} {task}", "1", "accuracy", {}, "", "", True, "", "", ITEMS, True, True
        )
        opened.append(open_column(RecordColumn(column, cells)))
    others = {"b": "a"} if "b" in answers else {}
    means = Averages(opened, others, RESAMPLES)
    for column in opened:
        means.add(score_column(column, others, RESAMPLES, means.pairs))
    return means.result()


def test_the_averages_two_intervals_cover_their_two_truths():
    """Ten tasks drawn from a population of tasks whose mean score is 0.5."""
    rng = np.random.default_rng(7)
    these, like_these = [], []
    for number in range(500):
        levels = 0.5 + SPREAD * rng.uniform(-1, 1, TASKS) * np.sqrt(3)
        values = [(rng.random(ITEMS) < level).astype(int) for level in levels]
        average = averaged(f"suite {number}", {"a": values})["a"]
        these.append(average.interval.low <= levels.mean() <= average.interval.high)
        like_these.append(average.beyond.low <= 0.5 <= average.beyond.high)
    print("coverage of an average: these tasks", np.mean(these), "like these", np.mean(like_these))
    assert 0.93 <= np.mean(these) <= 0.97
    assert 0.93 <= np.mean(like_these) <= 0.97


@pytest.mark.parametrize(("items", "level"), [(24, 0.03), (24, 0.01), (8, 0.05), (24, 0.97)])
def test_tasks_without_variance_leave_an_averages_interval_as_wide_as_it_must_be(items, level):
    """Many of the tasks have 0 right (or all): resampling them shows no spread."""
    rng = np.random.default_rng(11)
    covered, gaps = [], []
    for number in range(300):
        one, two = ([(rng.random(items) < level).astype(int) for _ in range(10)] for _ in "ab")
        found = averaged(f"still {items} {level} {number}", {"a": one, "b": two})
        covered.append(found["a"].interval.low <= level <= found["a"].interval.high)
        gap = found["b"].difference.interval
        gaps.append(gap.low <= 0 <= gap.high)
    print(items, level, "coverage of an average", np.mean(covered), "difference", np.mean(gaps))
    assert np.mean(covered) >= 0.95 - 2 * 0.0126
    assert np.mean(gaps) >= 0.95 - 2 * 0.0126
