"""Shared runs equal those of a plain double loop, whatever the hashes do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.leaks import ngrams as shared_runs
from harness.leaks.ngrams import NgramIndex, unbroken, window_hashes

SYMBOLS = st.lists(st.integers(0, 3), max_size=60).map(lambda s: np.array([0, *s, 0], np.int64))


def double_loop(a, b, least):
    """Maximal equal runs without breaks, cell by cell."""
    runs = set()
    for i in range(len(a)):
        for j in range(len(b)):
            if a[i] == 0 or a[i] != b[j] or (a[i - 1] == b[j - 1] and a[i - 1] != 0):
                continue
            k = 0
            while a[i + k] == b[j + k] != 0:
                k += 1
            if k >= least:
                runs.add((i, j, k))
    return runs


def indexed(symbols, width, stride):
    """Windows side by side in each unbroken piece."""
    starts = np.flatnonzero(unbroken(symbols, width))
    breaks = np.flatnonzero(symbols == 0)
    piece = breaks[np.searchsorted(breaks, starts) - 1]
    starts = starts[(starts - piece - 1) % stride == 0]
    return NgramIndex(symbols, starts, width, stride, 2 * width - 1 if stride > 1 else width)


def found(index, symbols):
    runs = index.find(symbols)
    columns = (runs.indexed, runs.found, runs.length)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert len(rows) == len(set(rows))
    return set(rows)


@given(SYMBOLS, SYMBOLS)
def test_every_window_indexed(a, b):
    assert found(indexed(a, 3, 1), b) == double_loop(a, b, 3)


@given(SYMBOLS, SYMBOLS)
def test_blocks_side_by_side_find_the_longer_runs_whole(a, b):
    assert found(indexed(a, 3, 3), b) == double_loop(a, b, 5)


@given(SYMBOLS, SYMBOLS)
def test_colliding_hashes_make_no_run(a, b):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            shared_runs, "window_hashes", lambda s, w: np.zeros(max(0, len(s) - w + 1), np.uint64)
        )
        assert found(indexed(a, 3, 1), b) == double_loop(a, b, 3)


def test_hashes_depend_on_the_window_alone_and_differ():
    symbols = np.random.default_rng(0).integers(1, 50, 20_000)
    windows = np.lib.stride_tricks.sliding_window_view(symbols, 4)
    distinct = len(np.unique(windows, axis=0))
    assert distinct < len(windows)
    assert len(np.unique(window_hashes(symbols, 4))) == distinct
    assert np.array_equal(window_hashes(symbols[100:], 4), window_hashes(symbols, 4)[100:])
