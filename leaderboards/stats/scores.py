"""The scores of a sheet's views: as they are, by way, and on each resample of the documents.

Documents are resampled, not items: items of one document are not independent.
Every score is a function of sums over items (`tasks.resample`), so one matrix
product gives the resamples of all models at once, and every pair is paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from leaderboards.stats.resampling import (
    Floats,
    Levels,
    bootstrap_weights,
    document_weights,
    further_weights,
)
from leaderboards.stats.sheet import (
    NOWHERE,
    Factor,
    Mask,
    PairedItems,
    Places,
    Selection,
    mask_of,
    places_of,
    summands_of,
)
from tasks.resample import gold_counts, one_more, score_of_sums

_BLOCK = 300_000  # numbers of a matrix held at once: 2.4 MB stay in a processor's cache


def by_way(sheet: PairedItems, view: Selection) -> Floats:
    """The score in each way of a view: (ways,)."""
    scores: Floats = score_of_sums(sheet.aggregation, summands_of(sheet, view).sum(axis=1))
    return scores


def by_level(sheet: PairedItems, view: Selection, factor: Factor) -> tuple[float, ...]:
    """The score with each draw, in each wording, or of each make."""
    return tuple(float(v) for v in by_way(sheet, view) @ shares_of(view, factor))


def score_of(sheet: PairedItems, view: Selection) -> float:
    """The score, averaged over draws, wordings and makes."""
    return float(np.mean(by_way(sheet, view)))


def documents_of(view: Selection) -> int:
    """Number of documents behind a view's score."""
    return len(np.unique(places_of(view)[mask_of(view)]))


def resample(
    sheet: PairedItems, views: Iterable[Selection], resamples: int
) -> dict[Selection, Floats]:
    """Each view's score on each of `resamples` resamples of documents and draws.

    Views of the same documents share their resamples, whichever of the items are
    missing in each. A resample that holds none of a view's items has no score: the
    next that has one stands in for it.
    """
    result: dict[Selection, Floats] = {}
    for group in groups_of(views):
        drawn = [_taken(sheet, view, resamples) for view in group]
        out = np.empty((resamples, len(group)))
        for start, stop, scores in _scores(sheet, group, resamples):
            for index in range(len(group)):
                out[start:stop, index] = (scores[:, index] * drawn[index][start:stop]).sum(axis=-1)
        for index, view in enumerate(group):
            result[view] = _filled(out[:, index].copy(), score_of(sheet, view))
    return result


def resample_levels(
    sheet: PairedItems, views: Iterable[Selection], factor: Factor, resamples: int
) -> dict[Selection, Floats]:
    """Each view's score in each wording, or of each make, on each resample: (R, levels)."""
    result: dict[Selection, Floats] = {}
    for group in groups_of(views):
        shares = [shares_of(view, factor) for view in group]
        out = [np.empty((resamples, share.shape[1])) for share in shares]
        for start, stop, scores in _scores(sheet, group, resamples):
            for index, share in enumerate(shares):
                out[index][start:stop] = scores[:, index] @ share
        result |= dict(zip(group, out, strict=True))
    return result


def shares_of(view: Selection, factor: Factor) -> Floats:
    """How much each way counts in the score at each level of a factor: (ways, levels)."""
    held = np.array([getattr(way, factor) for way in view.ways])
    at = (held[:, None] == np.array(view.levels(factor))).astype(np.float64)
    shares: Floats = at / at.sum(axis=0)
    return shares


def _taken(sheet: PairedItems, view: Selection, resamples: int) -> Floats:
    """How much each way counts on each resample: draws of demonstrations are drawn anew."""
    draws = view.levels("draw")
    weights = bootstrap_weights(f"{sheet.seed}|draws", len(draws), 0, resamples)
    place = [draws.index(way.draw) for way in view.ways]
    taken: Floats = weights[:, place] / len(view.ways)
    return taken


def _scores(
    sheet: PairedItems, group: list[Selection], resamples: int
) -> Iterator[tuple[int, int, Floats]]:
    """Blocks of resamples: first, last, and the score of each in each way: (r, views, ways)."""
    covered, sums = by_document(sheet, group)  # sums: (documents, views, ways, sums)
    count = len(sums)
    partly = not covered.all()
    further = [_further(sheet, view) for view in group]
    weigh = document_weights if any(further) else bootstrap_weights
    for start, stop in blocks(resamples, max(count, sums[0].size)):
        weights = weigh(sheet.seed, count, start, stop)
        drawn = (weights @ sums.reshape(count, -1)).reshape(stop - start, *sums.shape[1:])
        for index, more in enumerate(further):
            if more is not None:
                drawn[:, index] += more.drawn(start, stop)[:, None]
        with np.errstate(invalid="ignore"):  # 0 of 0: see below
            scores = score_of_sums(sheet.aggregation, drawn)
        if partly:
            scores[weights @ covered == 0] = np.nan
        yield start, stop, scores


@dataclass(frozen=True)
class _Further:
    """One more document of each label, right or wrong: what few documents leave open."""

    name: str
    right: Floats
    wrong: Floats

    def drawn(self, start: int, stop: int) -> Floats:
        """What they add to the sums of resamples `start` to `stop`: (r, sums)."""
        right, wrong = further_weights(self.name, len(self.right), start, stop)
        added: Floats = right @ self.right + wrong @ self.wrong
        return added


def _further(sheet: PairedItems, view: Selection) -> _Further | None:
    """None for a score that is no mean over labels.

    Seeded from the answers: two models have documents of their own, and one model has the
    same ones whatever it is called and whoever else is on the board.
    """
    own = summands_of(sheet, view)
    found = one_more(sheet.aggregation, own.sum(axis=(0, 1)))
    if found is None:
        return None
    # Without items that only others answered, and labels that only others were asked.
    counted = own.any(axis=(0, 1)) & np.concatenate(found).any(axis=0)
    told = own[:, own.any(axis=(0, 2))][:, :, counted]
    return _Further(f"{sheet.seed}|{sha256(told.tobytes()).hexdigest()}", *found)


def looseness(sheet: PairedItems, view: Selection) -> float:
    """How much longer the resamples' spread must be in a mean over tasks; 1 for most scores.

    Further documents make resamples of a mean over labels hold the truth by drawing them to
    the middle. That is a bias, and many tasks do not even it out; what is lacking is the
    spread of r documents by those of r + 1, r being the documents of the rarest label.
    """
    rows = summands_of(sheet, view)
    places = np.unique(places_of(view)[mask_of(view)], return_inverse=True)[1]
    asked = gold_counts(sheet.aggregation, rows[0]) > 0
    if not asked.any():
        return 1.0
    held = [len(np.unique(places[label])) for label in asked.T if label.any()]
    return math.sqrt((min(held) + 1) / min(held))


def item_weight(sheet: PairedItems, view: Selection) -> float:
    """How much one item of the rarest label can move a mean over labels; 0.0 for other scores.

    It is the whole of a label's share where that label has one item.
    """
    asked = gold_counts(sheet.aggregation, summands_of(sheet, view)[0]).sum(axis=0)
    held = asked[asked > 0]
    return float(1 / (len(held) * held.min())) if len(held) else 0.0


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


def levels_of(
    sheet: PairedItems, views: Iterable[Selection], factor: Factor, resamples: int
) -> dict[Selection, Levels]:
    """Of the views that have several levels of a factor; makes are those of their own model."""
    several = [view for view in dict.fromkeys(views) if len(view.levels(factor)) > 1]
    samples = resample_levels(sheet, several, factor, resamples)
    result = {}
    for view in several:
        names: tuple[object, ...] = view.levels(factor)
        if factor == "make":
            names = (view.model, *names)
        result[view] = Levels(names, np.array(by_level(sheet, view, factor)), samples[view])
    return result


@dataclass(frozen=True)
class Crossed:
    """The levels of wordings and makes behind each view of a sheet."""

    wordings: dict[Selection, Levels]
    makes: dict[Selection, Levels]

    def of(self, view: Selection) -> tuple[Levels, ...]:
        """The score in each wording, and of each make."""
        return tuple(levels[view] for levels in (self.wordings, self.makes) if view in levels)

    def gaps(self, first: Selection, second: Selection) -> list[Levels]:
        """The difference in each wording, which two models share, and each one's own makes."""
        found = [self.makes[view] for view in (first, second) if view in self.makes]
        if first in self.wordings:
            found.append(self.wordings[first].minus(self.wordings[second]))
        return found


def crossed(sheet: PairedItems, views: Iterable[Selection], resamples: int) -> Crossed:
    """The levels behind views; a pair's views have the same wordings."""
    listed = list(views)
    return Crossed(
        levels_of(sheet, listed, "wording", resamples),
        levels_of(sheet, listed, "make", resamples),
    )


def groups_of(views: Iterable[Selection]) -> list[list[Selection]]:
    """Views of the same documents and as many ways together."""
    groups: dict[tuple[bytes, int], dict[Selection, None]] = {}
    for view in views:
        groups.setdefault((view.documents, len(view.ways)), {})[view] = None
    return [list(group) for group in groups.values()]


def by_document(sheet: PairedItems, views: list[Selection]) -> tuple[Floats, Floats]:
    """What each document adds to the sums of each view; all views of the same documents.

    Returns:
        (documents, views) the number of scored items, (documents, views, ways, sums).
    """
    places = places_of(views[0])
    asked = places != NOWHERE
    index = np.unique(places[asked], return_inverse=True)[1]
    count = int(index.max()) + 1
    rows = []
    masks = []
    for view in views:
        answers = sheet.answers[view.model]
        kept = [answers.ways.index(way) for way in view.ways]
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


def blocks(resamples: int, width: int) -> Iterator[tuple[int, int]]:
    """Ranges of resamples whose matrices of `width` columns stay small."""
    step = max(1, min(resamples, _BLOCK // max(1, width)))
    for start in range(0, resamples, step):
        yield start, min(resamples, start + step)
