"""Intervals are exact: every bound is reached, and none is passed, also on the way."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gatewright.compiler import passes
from gatewright.compiler.ir import Dense, IntType
from gatewright.compiler.passes import InferTypes
from gatewright.compiler.passes.infer_types import dot_interval, partial_interval

WEIGHTS = hnp.arrays(np.int64, st.tuples(st.integers(1, 3), st.integers(1, 4)), elements=st.integers(-3, 3))


@settings(deadline=None)
@given(WEIGHTS, st.integers(-3, 3), st.integers(0, 4))
def test_intervals_are_exact(weights, low, width):
    high = low + width
    inputs = np.array(list(itertools.product([low, high], repeat=weights.shape[1])))
    sums = inputs @ weights.T
    least, greatest = dot_interval(weights, low, high)
    np.testing.assert_array_equal(least, sums.min(axis=0))
    np.testing.assert_array_equal(greatest, sums.max(axis=0))
    subsets = np.array(list(itertools.product([0, 1], repeat=weights.shape[1])))
    partial = (inputs[:, None, :] * subsets[None]) @ weights.T
    assert partial_interval(weights, low, high) == (partial.min(), partial.max())


def test_constant_codes_narrow_what_follows(small):
    """Neurons that always fire give +1, so the next layer's sums are constants."""
    graph = passes.run(small)
    first, second, third = graph.nodes
    assert isinstance(second, Dense)
    always = replace(second, thresholds=np.array([[-3], [-3]]))
    graph = InferTypes()(graph.with_nodes([first, always, third]))
    assert (graph.value("h1").lo, graph.value("h1").hi) == (1, 1)
    assert (graph.value("out").lo, graph.value("out").hi) == (0, 2)
    assert graph.value("out").type == IntType(2)
    assert graph.nodes[2].accumulator == IntType(3, signed=True)  # -1 stands in it between +1 and the sum


def test_wide_layers(small):
    weights = np.ones((2, 1000), dtype=np.int64)
    assert [v.tolist() for v in dot_interval(weights, -1, 1)] == [[-1000] * 2, [1000] * 2]
    assert IntType.spanning(*partial_interval(weights, -1, 1)) == IntType(11, signed=True)
