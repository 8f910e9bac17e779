"""One pair, one difference: scores, their resamples and tests, for any view of a sheet.

Whatever orders or compares two models takes the difference from here: on the items
and draws that both answered (`sheet.paired_views`), by resamples and a test that
depend on the two models and the task alone. So a pair has the same number, interval
and p wherever it stands, whoever else is on the board.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboards.board import Interval, Way
from leaderboards.stats.resampling import Extra, Floats, Levels, coin_flips, interval, total
from leaderboards.stats.scores import (
    blocks,
    by_document,
    crossed,
    groups_of,
    looseness,
    score_of,
)
from leaderboards.stats.sheet import Factor, PairedItems, Selection, leaked_to, mask_of
from leaderboards.stats.significance import crossed_p, mcnemar_p, randomisation_p
from tasks.resample import score_of_sums


@dataclass(frozen=True)
class Contrast:
    """One model minus another: value, resamples, randomisation distribution, p.

    `n` counts the items both answered, `leaks` those of them that either was made from,
    `documents` theirs. `draws` and `wordings` are those both have, () where these are all that
    either has. The p is of these wordings and makes.
    """

    value: float
    samples: Floats
    null: Floats
    p: float
    test: str
    n: int
    leaks: int
    documents: int
    draws: tuple[int, ...]
    wordings: tuple[int, ...]
    levels: tuple[Levels, ...] = ()
    looseness: float = 1.0

    @property
    def extra(self) -> Extra:
        """What other wordings and makes add to the difference."""
        return total(levels.extra() for levels in self.levels)

    def interval(self, low: float, high: float) -> Interval:
        """Of other items, and of other wordings and makes where there are several."""
        found = interval(self.samples, self.value, self.documents, low, high)
        return self.extra.widened(found, self.value, low, high)


def contrast(
    sheet: PairedItems,
    pairs: Iterable[tuple[Selection, Selection]],
    samples: Mapping[Selection, Floats],
    resamples: int,
) -> dict[tuple[Selection, Selection], Contrast]:
    """Compare pairs of views of the same items; `samples` comes from `resample`.

    0/1 scores of independent items are compared by McNemar's exact test; all
    else by exchanging the two models' answers document by document and
    computing the metric anew from the exchanged counts.
    """
    result: dict[tuple[Selection, Selection], Contrast] = {}
    listed = list(dict.fromkeys(pairs))
    held_at = crossed(sheet, [view for pair in listed for view in pair], resamples)
    for group in groups_of(first for first, _ in listed):
        firsts = set(group)
        members = [pair for pair in listed if pair[0] in firsts]
        covered, one = by_document(sheet, [first for first, _ in members])
        two = by_document(sheet, [second for _, second in members])[1]
        count = len(one)
        both, changed = (one + two).sum(axis=0), one - two
        fixed = two.sum(axis=0)
        null = np.empty((resamples, len(members)))
        for start, stop in blocks(resamples, max(count, one[0].size)):
            flips = coin_flips(sheet.seed, count, start, stop)
            moved = (flips @ changed.reshape(count, -1)).reshape(stop - start, *fixed.shape)
            mine = moved + fixed
            gaps = score_of_sums(sheet.aggregation, mine) - score_of_sums(
                sheet.aggregation, both - mine
            )
            null[start:stop] = gaps.mean(axis=-1)
        for index, (first, second) in enumerate(members):
            value = score_of(sheet, first) - score_of(sheet, second)
            held = covered[:, index] > 0
            own = [sheet.answers[view.model].ways for view in (first, second)]
            n = int(mask_of(first).sum())
            leaked = leaked_to(sheet, first.model, second.model)
            ours, theirs = one[held, index], two[held, index]
            binary = _binary(sheet, ours, theirs, independent=n == len(ours))
            p = (
                mcnemar_p(ours[:, 0, 0], theirs[:, 0, 0])
                if binary
                else randomisation_p(value, null[:, index])
            )
            gaps_at = held_at.gaps(first, second)
            apart = samples[first] - samples[second]
            if extra := total(levels.extra() for levels in gaps_at):
                p = max(p, crossed_p(value, float(np.std(apart)), extra))
            result[first, second] = Contrast(
                value=value,
                samples=apart,
                null=null[:, index].copy(),
                p=p,
                test="McNemar, exact" if binary else "randomisation",
                n=n,
                leaks=int((mask_of(first) & leaked).sum()),
                documents=len(ours),
                draws=_shared(first, own, "draw"),
                wordings=_shared(first, own, "wording"),
                levels=tuple(gaps_at),
                looseness=max(looseness(sheet, view) for view in (first, second)),
            )
    return result


def _shared(view: Selection, own: Sequence[Sequence[Way]], factor: Factor) -> tuple[int, ...]:
    """The levels of a pair's view, () where either model has no others."""
    held = view.levels(factor)
    return held if any({getattr(w, factor) for w in ways} != set(held) for ways in own) else ()


def _binary(sheet: PairedItems, one: Floats, two: Floats, *, independent: bool) -> bool:
    """Whether two models' scores are one 0 or 1 per document."""
    if sheet.aggregation not in ("mean", "mean_score") or not independent or one.shape[1] != 1:
        return False
    values = np.concatenate([one[..., 0], two[..., 0]])
    return bool(np.all((values == 0) | (values == 1)))
