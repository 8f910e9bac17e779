"""Intervals and p where wordings and makes truly differ, with one and with three of each."""

import numpy as np
import pytest

from leaderboards.board import Way
from tests.leaderboards.stats.simulated import (
    BATCH,
    TIMES,
    compared,
    gold_of,
    inside,
    macro_f1,
    scored,
    sheet_of,
    slack,
)

WORDING, MAKE, OWN = 0.06, 0.05, 0.04  # standard deviations of how often a label is found
SHARES = {"balanced": (0.5, 0.5), "a label of 10 %": (0.9, 0.1)}
FOUND = {"balanced": (0.6, 0.6), "a label of 10 %": (0.75, 0.5)}
ALIKE = 0.6  # of the items are answered alike in all wordings and by all makes


def confusion(found):
    """Of two labels, each given the other where it is not found."""
    one, two = np.clip(found, 0.02, 0.98)
    return np.array([[one, 1 - one, 0], [1 - two, two, 0]])


def score_at(kind, gold, offset, metric):
    found = np.array(FOUND[kind]) + offset
    held = np.bincount(gold, minlength=2) / len(gold)
    table = confusion(found)
    return macro_f1(table, held) if metric == "macro_f1" else float(held @ np.diag(table))


def expected(kind, gold, own, several, metric):
    """The mean score over the population of wordings (of makes) of which there are several."""
    draws = np.random.default_rng(0).normal(size=(200, 2)) * np.sqrt(several)
    return float(np.mean([score_at(kind, gold, own + d.sum(), metric) for d in draws]))


def answers(rng, kind, gold, offset, common):
    """Labels given in one wording by one make; most items hang on what is common to all."""
    found = np.clip(np.array(FOUND[kind]) + offset, 0.02, 0.98)[gold]
    luck = np.where(common[1] < ALIKE, common[0], rng.random(len(gold)))
    return np.where(luck < found, gold, 1 - gold)


def drawn(kind, n, wordings, makes, metric, batch):
    """A sheet of BATCH pairs of a model (several makes) and its base, and the truth of each."""
    rng = np.random.default_rng([batch, n, wordings, makes, len(kind)])
    data, truths = {}, {}
    for number in range(BATCH):
        gold = gold_of(rng, SHARES[kind], n, 3)
        by_wording = rng.normal(0, WORDING, wordings)
        for index, count in enumerate((1, makes)):
            own = rng.normal(0, OWN, wordings)
            by_make = rng.normal(0, MAKE, count) if index else np.zeros(1)
            common = rng.random((2, n))
            ways = {}
            for w in range(wordings):
                for m in range(count):
                    offset = by_wording[w] + own[w] + by_make[m]
                    said = answers(rng, kind, gold, offset, common)
                    value = np.stack([gold, said], axis=1) if metric == "macro_f1" else said == gold
                    ways[Way(0, w, m)] = value
            # What there is one of is what the score is of; what there are several of is drawn.
            fixed = (by_wording[0] + own[0]) * (wordings == 1) + by_make[0] * (count == 1)
            spread = np.array(
                [
                    (WORDING**2 + OWN**2) * (wordings > 1),
                    MAKE**2 * (count > 1) * index,
                ]
            )
            data[f"{number}.{index}"] = ways
            truths[f"{number}.{index}"] = expected(kind, gold, fixed, spread, metric)
    name = f"{kind} {n} {wordings} {makes} {metric} {batch}"
    return sheet_of(name, "macro_f1" if metric == "macro_f1" else "mean_score", data), truths


CASES = [
    ("a label of 10 %", 24, "macro_f1"),
    ("balanced", 40, "accuracy"),
    ("balanced", 24, "accuracy"),
    ("balanced", 40, "macro_f1"),
    ("a label of 10 %", 40, "macro_f1"),
]


@pytest.mark.parametrize("makes", [1, 3])
@pytest.mark.parametrize("wordings", [1, 3])
@pytest.mark.parametrize(("kind", "n", "metric"), CASES if TIMES > 1 else CASES[:2])
def test_scores_and_differences_cover_the_truth(kind, n, metric, wordings, makes):
    held, gaps, told = [], [], []
    for batch in range(TIMES):
        sheet, truths = drawn(kind, n, wordings, makes, metric, batch)
        for label, _, found in scored(sheet):
            if label.endswith(".1"):
                held.append(inside(found, truths[label]))
        pairs = [(f"{k}.1", f"{k}.0") for k in range(BATCH)]
        for (one, two), found in zip(pairs, compared(sheet, pairs), strict=True):
            gap = truths[one] - truths[two]
            gaps.append(inside(found.interval(-1, 1), gap))
            told.append(found.p < 0.05)
    rates = np.round(100 * np.array([np.mean(held), np.mean(gaps), np.mean(told)]), 1)
    print(kind, metric, n, "documents,", wordings, "wordings,", makes, "makes:", rates)
    assert min(np.mean(held), np.mean(gaps)) >= 0.93 - slack(BATCH * TIMES)
    if wordings == makes == 3:  # the two are equally good over all wordings and makes
        assert np.mean(told) <= 0.055 + slack(BATCH * TIMES)
