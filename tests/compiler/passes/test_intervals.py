"""Intervals are exact: every bound is reached, and none is passed, also on the way."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gatewright.compiler.ir import IntType, Window
from gatewright.compiler.passes.intervals import (
    dot_interval,
    moved_interval,
    partial_interval,
    pool_interval,
    table_interval,
    window_interval,
)

WEIGHTS = hnp.arrays(np.int64, st.tuples(st.integers(1, 3), st.integers(1, 4)), elements=st.integers(-3, 3))
SEEDS = st.integers(0, 2**32 - 1)


def bounds(rng, shape):
    low = rng.integers(-3, 4, size=shape)
    return low, low + rng.integers(0, 5, size=shape)


@given(WEIGHTS, SEEDS)
def test_products(weights, seed):
    """Over all corners of the inputs' box: a sum's ends are there."""
    low, high = bounds(np.random.default_rng(seed), weights.shape[1])
    inputs = np.array(list(itertools.product(*zip(low, high, strict=True))))
    sums = inputs @ weights.T
    least, greatest = dot_interval(weights, low, high)
    np.testing.assert_array_equal(least, sums.min(axis=0))
    np.testing.assert_array_equal(greatest, sums.max(axis=0))
    subsets = np.array(list(itertools.product([0, 1], repeat=weights.shape[1])))
    partial = (inputs[:, None, :] * subsets[None]) @ weights.T
    assert partial_interval(weights, low, high) == (partial.min(), partial.max())


def test_wide_products():
    weights = np.ones((2, 1000), dtype=np.int64)
    assert [v.tolist() for v in dot_interval(weights, -1, 1)] == [[-1000] * 2, [1000] * 2]
    assert IntType.spanning(*partial_interval(weights, -1, 1)) == IntType(11, signed=True)


@settings(max_examples=60)
@given(st.tuples(st.integers(1, 3), st.integers(1, 3)), st.tuples(*[st.integers(0, 2)] * 4), st.integers(1, 2), SEEDS)
def test_windows(kernel, pads, insert, seed):
    """Each position's terms, written out, over all corners of the box."""
    rng = np.random.default_rng(seed)
    window = Window(kernel, (1, 2), pads, insert=(insert, 1))
    size = max(1, kernel[0] - pads[0]), kernel[1] + 1
    weights = rng.integers(-3, 4, size=(2, window.taps, 1))
    low, high = bounds(rng, (2, 1))
    least, greatest = window_interval(weights, window, size, low, high)
    positions = window.sources(*size) >= 0
    for out in range(2):
        ends = []
        for inside in positions:
            terms = [[int(w) * int(low[out, 0]), int(w) * int(high[out, 0])] if there else [0]
                     for w, there in zip(weights[out, :, 0], inside, strict=True)]
            ends += [sum(map(min, terms)), sum(map(max, terms))]
        assert (least[out], greatest[out]) == (min(ends), max(ends))
    counts = positions.sum(axis=1)
    lo, hi = low[:, 0], high[:, 0]
    total = pool_interval(window, size, (lo, hi))
    assert total[0].tolist() == [min(int(n) * int(b) for n in counts) for b in lo]
    assert total[1].tolist() == [max(int(n) * int(b) for n in counts) for b in hi]


def test_padding_takes_terms_away():
    """A sum of three positive terms, of which the border has two only."""
    window = Window((1, 3), pads=(0, 1, 0, 0))
    weights = np.ones((1, 3, 1), dtype=np.int64)
    assert [v.tolist() for v in window_interval(weights, window, (1, 4), 2, 5)] == [[4], [15]]


def test_moved_channels_take_their_intervals_along():
    interval = np.array([0, 10]), np.array([1, 20])
    assert [v.tolist() for v in moved_interval(np.array([1, 0, 3, -1]), 2, interval)] == [[10, 0], [20, 1]]
    assert [v.tolist() for v in moved_interval(np.array([0, 2, 1]), 1, interval)] == [[0], [20]]


def test_tables_count_only_what_is_read():
    interval = np.array([-1, 0]), np.array([0, 1])
    assert [v.tolist() for v in table_interval(np.array([[5, 6, 7]]), -1, interval)] == [[5, 6], [6, 7]]
    assert [v.tolist() for v in table_interval(np.array([[5, 6, 7], [9, 8, 0]]), -1, interval)] == [[5, 0], [6, 8]]
