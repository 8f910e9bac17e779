"""One pair, one difference: scores, their resamples and tests, for any view of a sheet.

Whatever orders or compares two models takes the difference from here: on the items
and draws that both answered (`sheet.paired_views`), by resamples and a test that
depend on the two models and the task alone. So a pair has the same number, interval
and p wherever it stands, whoever else is on the board.

Documents are resampled, not items: items of one document are not independent.
Every score is a function of sums over items (`tasks.resample`), so one matrix
product gives the resamples of all models at once, and every pair is paired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from leaderboards.stats.resampling import Floats, bootstrap_weights, coin_flips
from leaderboards.stats.sheet import (
    NOWHERE,
    Mask,
    Places,
    Sheet,
    View,
    mask_of,
    places_of,
    summands_of,
)
from leaderboards.stats.significance import mcnemar_p, randomisation_p
from tasks.resample import score_of_sums

_BLOCK = 300_000  # numbers of a matrix held at once: 2.4 MB stay in a processor's cache


@dataclass(frozen=True)
class Contrast:
    """One model minus another: value, resamples, randomisation distribution, p.

    `n` counts the items both answered, `documents` theirs. `draws` are those both have,
    () where these are all that either has.
    """

    value: float
    samples: Floats
    null: Floats
    p: float
    test: str
    n: int
    documents: int
    draws: tuple[int, ...]


def by_draw(sheet: Sheet, view: View) -> Floats:
    """The score with each draw of demonstrations: (draws,)."""
    scores: Floats = score_of_sums(sheet.aggregation, summands_of(sheet, view).sum(axis=1))
    return scores


def estimate(sheet: Sheet, view: View) -> float:
    """The score, averaged over draws."""
    return float(np.mean(by_draw(sheet, view)))


def documents_of(view: View) -> int:
    """Number of documents behind a view's score."""
    return len(np.unique(places_of(view)[mask_of(view)]))


def resample(sheet: Sheet, views: Iterable[View], resamples: int) -> dict[View, Floats]:
    """Each view's score on each of `resamples` resamples of documents and draws.

    Views of the same documents share their resamples, whichever of the items are
    missing in each. A resample that holds none of a view's items has no score: the
    next that has one stands in for it.
    """
    result: dict[View, Floats] = {}
    for group in _groups(views):
        covered, sums = _by_document(sheet, group)  # sums: (documents, views, draws, sums)
        count, draws = len(sums), len(group[0].draws)
        partly = not covered.all()
        taken = bootstrap_weights(f"{sheet.seed}|draws", draws, 0, resamples)[:, None] / draws
        out = np.empty((resamples, len(group)))
        for start, stop in _blocks(resamples, max(count, sums[0].size)):
            weights = bootstrap_weights(sheet.seed, count, start, stop)
            drawn = (weights @ sums.reshape(count, -1)).reshape(stop - start, *sums.shape[1:])
            with np.errstate(invalid="ignore"):  # 0 of 0: see below
                scores = score_of_sums(sheet.aggregation, drawn)
            out[start:stop] = (scores * taken[start:stop]).sum(axis=-1)
            if partly:
                out[start:stop][weights @ covered == 0] = np.nan
        for index, view in enumerate(group):
            result[view] = _filled(out[:, index].copy(), estimate(sheet, view))
    return result


def _filled(samples: Floats, otherwise: float) -> Floats:
    """Every resample without a score gets that of the next one that has one."""
    there = np.flatnonzero(~np.isnan(samples))
    if len(there) == len(samples):
        return samples
    if not len(there):
        return np.full_like(samples, otherwise)
    following = np.searchsorted(there, np.arange(len(samples))) % len(there)
    filled: Floats = samples[there[following]]
    return filled


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
    listed = list(dict.fromkeys(pairs))
    for group in _groups(first for first, _ in listed):
        firsts = set(group)
        members = [pair for pair in listed if pair[0] in firsts]
        covered, one = _by_document(sheet, [first for first, _ in members])
        two = _by_document(sheet, [second for _, second in members])[1]
        count = len(one)
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
        for index, (first, second) in enumerate(members):
            value = estimate(sheet, first) - estimate(sheet, second)
            held = covered[:, index] > 0
            own = {sheet.answers[view.model].draws for view in (first, second)}
            n = int(mask_of(first).sum())
            ours, theirs = one[held, index], two[held, index]
            binary = _binary(sheet, ours, theirs, independent=n == len(ours))
            p = (
                mcnemar_p(ours[:, 0, 0], theirs[:, 0, 0])
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
                documents=len(ours),
                draws=first.draws if {first.draws} != own else (),
            )
    return result


def _binary(sheet: Sheet, one: Floats, two: Floats, *, independent: bool) -> bool:
    """Whether two models' scores are one 0 or 1 per document."""
    if sheet.aggregation not in ("mean", "mean_score") or not independent or one.shape[1] != 1:
        return False
    values = np.concatenate([one[..., 0], two[..., 0]])
    return bool(np.all((values == 0) | (values == 1)))


def _groups(views: Iterable[View]) -> list[list[View]]:
    """Views of the same documents and draws together."""
    groups: dict[tuple[bytes, tuple[int, ...]], dict[View, None]] = {}
    for view in views:
        groups.setdefault((view.documents, view.draws), {})[view] = None
    return [list(group) for group in groups.values()]


def _by_document(sheet: Sheet, views: list[View]) -> tuple[Floats, Floats]:
    """What each document adds to the sums of each view; all views of the same documents.

    Returns:
        (documents, views) the number of scored items, (documents, views, draws, sums).
    """
    places = places_of(views[0])
    asked = places != NOWHERE
    index = np.unique(places[asked], return_inverse=True)[1]
    count = int(index.max()) + 1
    rows = []
    masks = []
    for view in views:
        answers = sheet.answers[view.model]
        kept = [answers.draws.index(draw) for draw in view.draws]
        mask: Mask = mask_of(view)[asked]
        masks.append(mask)
        rows.append(answers.summands[kept][:, asked] * mask[:, None])
    items = np.stack(rows).transpose(2, 0, 1, 3)  # (items, views, draws, sums)
    return _added(np.stack(masks, axis=1).astype(np.float64), index, count), _added(
        items, index, count
    )


def _added(items: Floats, index: Places, count: int) -> Floats:
    """Rows added up by document: (items, ...) -> (documents, ...)."""
    if count == len(items):
        ordered = np.empty_like(items)
        ordered[index] = items
        return ordered
    sums = np.zeros((count, *items.shape[1:]))
    np.add.at(sums, index, items)
    return sums


def _blocks(resamples: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, min(resamples, _BLOCK // max(1, width)))
    for start in range(0, resamples, step):
        yield start, min(resamples, start + step)
