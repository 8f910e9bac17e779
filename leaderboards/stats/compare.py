"""Many models on the same items of one task: scores, paired resamples, paired tests.

Documents are resampled, not items: items of one document are not independent.
Every score is a function of sums over items (`tasks.resample`), so one matrix
product gives the resamples of all models at once, and every pair is paired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from leaderboards.stats.resampling import Floats, bootstrap_weights, coin_flips
from leaderboards.stats.sheet import Mask, Sheet, View
from leaderboards.stats.significance import mcnemar_p, randomisation_p
from tasks.resample import score_of_sums

_BLOCK = 300_000  # numbers of a matrix held at once: 2.4 MB stay in a processor's cache


@dataclass(frozen=True)
class Contrast:
    """One model minus another: value, resamples, randomisation distribution, p."""

    value: float
    samples: Floats
    null: Floats
    p: float
    test: str
    n: int
    documents: int


def by_draw(sheet: Sheet, view: View) -> Floats:
    """The score with each draw of demonstrations: (draws,)."""
    sums = _by_document(sheet, [view])[1].sum(axis=0)
    scores: Floats = score_of_sums(sheet.aggregation, sums)[0]
    return scores


def estimate(sheet: Sheet, view: View) -> float:
    """The score, averaged over draws."""
    return float(np.mean(by_draw(sheet, view)))


def documents_of(sheet: Sheet, view: View) -> int:
    """Number of documents behind a view."""
    return len(np.unique(sheet.documents[_mask(view)]))


def resample(sheet: Sheet, views: Iterable[View], resamples: int) -> dict[View, Floats]:
    """Each view's score on each of `resamples` resamples of documents and draws.

    Views of the same items share their resamples.
    """
    result: dict[View, Floats] = {}
    for group in _groups(views):
        count, sums = _by_document(sheet, group)  # (documents, models, draws, sums)
        draws = len(group[0].draws)
        taken = bootstrap_weights(f"{sheet.seed}|draws", draws, 0, resamples)[:, None] / draws
        out = np.empty((resamples, len(group)))
        for start, stop in _blocks(resamples, max(count, sums[0].size)):
            weights = bootstrap_weights(sheet.seed, count, start, stop)
            drawn = (weights @ sums.reshape(count, -1)).reshape(stop - start, *sums.shape[1:])
            scores = score_of_sums(sheet.aggregation, drawn)
            out[start:stop] = (scores * taken[start:stop]).sum(axis=-1)
        result.update({view: out[:, index].copy() for index, view in enumerate(group)})
    return result


def contrast(
    sheet: Sheet,
    pairs: Iterable[tuple[View, View]],
    samples: Mapping[View, Floats],
    resamples: int,
) -> dict[tuple[View, View], Contrast]:
    """Compare pairs of views of the same items; `samples` comes from `resample`.

    0/1 scores of independent items are compared by McNemar's exact test; all
    else by exchanging the two models' answers document by document and
    computing the metric anew from the exchanged counts.
    """
    result: dict[tuple[View, View], Contrast] = {}
    listed = list(pairs)
    for group in _groups(first for first, _ in listed):
        firsts = set(group)
        members = [pair for pair in dict.fromkeys(listed) if pair[0] in firsts]
        count, one = _by_document(sheet, [first for first, _ in members])
        two = _by_document(sheet, [second for _, second in members])[1]
        both, changed = (one + two).sum(axis=0), one - two
        fixed = two.sum(axis=0)
        null = np.empty((resamples, len(members)))
        for start, stop in _blocks(resamples, max(count, one[0].size)):
            flips = coin_flips(sheet.seed, count, start, stop)
            moved = (flips @ changed.reshape(count, -1)).reshape(stop - start, *fixed.shape)
            mine = moved + fixed
            gaps = score_of_sums(sheet.aggregation, mine) - score_of_sums(
                sheet.aggregation, both - mine
            )
            null[start:stop] = gaps.mean(axis=-1)
        n = int(_mask(members[0][0]).sum())
        for index, (first, second) in enumerate(members):
            value = estimate(sheet, first) - estimate(sheet, second)
            binary = _binary(sheet, one[:, index], two[:, index], independent=n == count)
            p = (
                mcnemar_p(one[:, index, 0, 0], two[:, index, 0, 0])
                if binary
                else randomisation_p(value, null[:, index])
            )
            result[first, second] = Contrast(
                value=value,
                samples=samples[first] - samples[second],
                null=null[:, index].copy(),
                p=p,
                test="McNemar, exact" if binary else "randomisation",
                n=n,
                documents=count,
            )
    return result


def _binary(sheet: Sheet, one: Floats, two: Floats, *, independent: bool) -> bool:
    """Whether two models' scores are one 0 or 1 per document."""
    if sheet.aggregation not in ("mean", "mean_score") or not independent or one.shape[1] != 1:
        return False
    values = np.concatenate([one[..., 0], two[..., 0]])
    return bool(np.all((values == 0) | (values == 1)))


def _mask(view: View) -> Mask:
    return np.frombuffer(view.mask, dtype=np.bool_)


def _groups(views: Iterable[View]) -> list[list[View]]:
    """Views of the same items and draws together."""
    groups: dict[tuple[bytes, tuple[int, ...]], dict[View, None]] = {}
    for view in views:
        groups.setdefault((view.mask, view.draws), {})[view] = None
    return [list(group) for group in groups.values()]


def _by_document(sheet: Sheet, views: list[View]) -> tuple[int, Floats]:
    """Summands of views of the same items, added up by document.

    Returns:
        number of documents, (documents, models, draws, sums).
    """
    mask = _mask(views[0])
    documents = np.unique(sheet.documents[mask], return_inverse=True)[1]
    count = int(documents.max()) + 1
    stacked = []
    for view in views:
        answers = sheet.answers[view.model]
        kept = [answers.draws.index(draw) for draw in view.draws]
        stacked.append(answers.summands[kept][:, mask])
    items = np.stack(stacked).transpose(2, 0, 1, 3)  # (items, models, draws, sums)
    if count == len(items):
        ordered = np.empty_like(items)
        ordered[documents] = items
        return count, ordered
    sums = np.zeros((count, *items.shape[1:]))
    np.add.at(sums, documents, items)
    return count, sums


def _blocks(resamples: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, min(resamples, _BLOCK // max(1, width)))
    for start in range(0, resamples, step):
        yield start, min(resamples, start + step)
