"""The float32 expression as data: what it computes, and which way it goes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler.float32 import OPERATIONS, Chain, Operation

CONSTANTS = st.floats(-1e3, 1e3, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)


def test_every_step_is_float32():
    chain = Chain(np.array([np.float64(np.float32(0.1))])).then("sub", [1, 2]).then("div", 3).then("rsub", [0.5, 0.25])
    x = np.float32(7 * np.float64(np.float32(0.1)))
    expected = [[np.float32(0.5) - (x - np.float32(1)) / np.float32(3),
                 np.float32(0.25) - (x - np.float32(2)) / np.float32(3)]]
    assert chain(np.array([[7]])).dtype == np.float32
    assert chain(np.array([[7]])).tolist() == expected
    assert [len(step[0]) for step in chain.trace(np.array([[7]]))] == [1, 2, 2, 2]
    np.testing.assert_array_equal(chain.trace(np.array([[7]]))[-1], chain(np.array([[7]])))


def test_fractions_round_once():
    codes = np.arange(256)
    np.testing.assert_array_equal(Chain(Fraction(1, 255))(codes), (codes / 255).astype(np.float32))


def test_unknown_operation():
    with pytest.raises(ValueError, match="operation must be one of add, sub, rsub, mul, div, max, min, not 'pow'"):
        Operation("pow", np.ones(1))


def test_constants_are_frozen():
    with pytest.raises(ValueError, match="read-only"):
        Operation("add", np.ones(2)).constant[0] = 2


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), CONSTANTS), max_size=5))
def test_slope_is_the_direction(steps):
    chain = Chain(np.array([0.1]))
    for kind, constant in steps:
        chain = chain.then(kind, 1 if kind == "div" and constant == 0 else constant)
    change = np.diff(chain(np.arange(-200, 200)))
    slope = int(chain.slope()[0])
    assert (change * slope >= 0).all()
    if slope == 0:
        assert (change == 0).all()
