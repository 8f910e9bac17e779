"""Find the runs of symbols that a text shares with an indexed collection.

A symbol is a word's number or a character's code; 0 is a break that no run
crosses. Windows of the collection are held as sorted 64-bit hashes, a text's
windows are looked up in one vectorised pass, and each equal hash is checked
symbol by symbol: a collision is never a run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

# An odd base has an inverse modulo 2^64, so prefix sums give every window's hash.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_FILTER_LOAD = 16  # slots per hash in the first look: about 6 % of other windows pass it


@dataclass(frozen=True)
class SharedSpans:
    """Shared runs: where each begins in the collection and in the text, and its length."""

    indexed: Ints
    found: Ints
    length: Ints


def window_hashes(symbols: Ints, width: int) -> Hashes:
    """The 64-bit polynomial hash of every window of `width` symbols; empty if there is none."""
    if len(symbols) < width:
        return np.empty(0, np.uint64)
    powers = np.full(len(symbols), _BASE, np.uint64)
    powers[0] = 1
    sums = np.zeros(len(symbols) + 1, np.uint64)
    np.cumsum(_mixed(symbols) * np.cumprod(powers), out=sums[1:])
    inverses = np.full(len(symbols) - width + 1, _INVERSE, np.uint64)
    inverses[0] = 1
    return (sums[width:] - sums[:-width]) * np.cumprod(inverses)


def unbroken(symbols: Ints, width: int) -> NDArray[np.bool_]:
    """For every window of `width` symbols, whether it holds no break."""
    if len(symbols) < width:
        return np.empty(0, np.bool_)
    breaks = np.concatenate(([0], np.cumsum(symbols == 0)))
    return np.asarray(breaks[width:] == breaks[:-width])


class NgramIndex:
    """Windows of a collection, to find the runs others share with it.

    Args:
        symbols: the collection, beginning and ending with a break.
        starts: where the indexed windows begin, ascending; none holds a break.
        width: symbols in a window.
        stride: distance of neighbouring indexed windows of one piece. With 1
            every run of `width` is found; with `stride == width` a run is
            certain to be found from `2 * width - 1` on, for a fraction of the
            memory, and is extended symbol by symbol at both ends.
        least: shorter runs are not told.
    """

    def __init__(self, symbols: Ints, starts: Ints, width: int, stride: int, least: int) -> None:
        self._symbols, self._width, self._stride, self._least = symbols, width, stride, least
        hashes = window_hashes(symbols, width)[starts]
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._starts = hashes[order], starts[order]
        bits = max(10, int(len(starts) * _FILTER_LOAD).bit_length())
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, np.bool_)
        self._filter[hashes >> self._shift] = True

    def find(self, symbols: Ints) -> SharedSpans:
        """The maximal runs shared with `symbols`, which begins and ends with a break."""
        hashes = window_hashes(symbols, self._width)
        there = np.flatnonzero(self._filter[hashes >> self._shift])
        first = np.searchsorted(self._hashes, hashes[there], "left")
        count = np.searchsorted(self._hashes, hashes[there], "right") - first
        there, offsets = np.repeat(there, count), np.repeat(first, count)
        # 0, 1, 2, ... within the windows of one hash
        offsets += np.arange(len(there)) - np.repeat(np.cumsum(count) - count, count)
        here = self._starts[offsets]
        for step in range(self._width):
            same = self._symbols[here + step] == symbols[there + step]
            here, there = here[same], there[same]
        return self._extended(symbols, *self._merged(here, there))

    def _merged(self, here: Ints, there: Ints) -> tuple[Ints, Ints, Ints]:
        """Join windows that follow each other in both: (here, there, end of here)."""
        order = np.lexsort((here, there - here))
        here, there = here[order], there[order]
        new = np.ones(len(here), np.bool_)
        new[1:] = (np.diff(there - here) != 0) | (np.diff(here) != self._stride)
        last = np.ones(len(here), np.bool_)
        last[:-1] = new[1:]
        return here[new], there[new], here[last] + self._width

    def _extended(self, symbols: Ints, here: Ints, there: Ints, end: Ints) -> SharedSpans:
        """Grow runs to the left and right, by less than a stride: more holds a window."""
        for _ in range(self._stride - 1):
            grow = _equal(self._symbols[here - 1], symbols[there - 1])
            here, there = here - grow, there - grow
        shift = there - here
        for _ in range(self._stride - 1):
            end = end + _equal(self._symbols[end], symbols[end + shift])
        long = end - here >= self._least
        return SharedSpans(here[long], there[long], (end - here)[long])


def _equal(a: Ints, b: Ints) -> NDArray[np.bool_]:
    return np.asarray((a == b) & (a != 0))


def _mixed(symbols: Ints) -> Hashes:
    """Spread small numbers over 64 bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = symbols.astype(np.uint64) + np.uint64(_BASE)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
