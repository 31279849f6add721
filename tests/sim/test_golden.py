"""Golden operators against the plainest NumPy that computes the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.sim import golden


@given(frames=st.integers(0, 5), rows=st.integers(1, 9), columns=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
def test_packed_dot_products_are_dot_products(frames, rows, columns, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.choice([-1, 1], size=(frames, columns)), rng.choice([-1, 1], size=(rows, columns))
    assert np.array_equal(golden.bipolar_matvec(x, w), x @ w.T)


def test_blocks_of_frames_are_joined():
    rng = np.random.default_rng(0)
    x, w = rng.choice([-1, 1], size=(5000, 70)), rng.choice([-1, 1], size=(40, 70))
    assert np.array_equal(golden.bipolar_matvec(x, w), x @ w.T)


@given(channels=st.integers(1, 6), levels=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_thresholds_count_what_is_met(channels, levels, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, size=(7, channels))
    thresholds = np.sort(rng.integers(-11, 12, size=(channels, levels)), axis=1)
    falling = rng.integers(0, 2, size=channels).astype(bool)
    expected = [[sum(v <= t if falling[c] else v >= t for t in thresholds[c]) for c, v in enumerate(row)] for row in x]
    assert golden.threshold(x, thresholds, falling).tolist() == expected
    assert golden.threshold_bipolar(x, thresholds[:, :1], falling).tolist() == [
        [1 if (v <= thresholds[c, 0] if falling[c] else v >= thresholds[c, 0]) else -1 for c, v in enumerate(row)]
        for row in x]


def test_arg_max_takes_the_lowest_of_equals():
    assert golden.arg_max(np.array([[1, 5, 5], [0, 0, 0], [-3, -2, -2]])).tolist() == [[1], [0], [1]]


def test_only_bipolar_values_have_bipolar_dot_products():
    with pytest.raises(ValueError, match=r"^vectors must be of -1 and \+1$"):
        golden.bipolar_matvec(np.zeros((1, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"must agree in K, not \(1, 3\) and \(2, 4\)$"):
        golden.bipolar_matvec(np.ones((1, 3)), np.ones((2, 4)))
