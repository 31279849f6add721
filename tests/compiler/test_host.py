"""What the host does to the output: the numbers of the textbook, and the order of equal ones."""

from __future__ import annotations

import numpy as np

from gatewright.compiler import host

X = np.float32([[1, 3, 2, 3], [0, -1, 5, 4]])


def test_soft_max_sums_to_one_and_keeps_the_order():
    y = host.apply(("softmax",), X)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, (np.exp(X.astype(np.float64)) / np.exp(X.astype(np.float64)).sum(
        axis=1, keepdims=True)).astype(np.float32))
    np.testing.assert_array_equal(y.argmax(axis=1), X.argmax(axis=1))


def test_log_soft_max_of_large_values_is_finite():
    y = host.apply(("log_softmax",), np.float32([[1e4, 1e4]]))
    np.testing.assert_array_equal(y, np.full((1, 2), np.float32(-np.log(2))))


def test_the_largest_few():
    np.testing.assert_array_equal(host.apply(("top:3",), X), [[3, 3, 2], [5, 4, 0]])
    np.testing.assert_array_equal(host.apply(("top_indices:3",), X), [[1, 3, 2], [2, 3, 0]])
    np.testing.assert_array_equal(host.apply(("softmax", "top_indices:1"), X), [[1], [2]])
    np.testing.assert_array_equal(host.apply((), X), X)
