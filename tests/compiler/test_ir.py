"""Integer types and the way from a person's data to codes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.float32 import Chain
from gatewright.compiler.ir import BIPOLAR, InputSpec, IntType
from gatewright.errors import UserError

BYTES = InputSpec(IntType(8), Fraction(1, 255), (2, 3))


@given(st.integers(-(1 << 40), 1 << 40), st.integers(0, 1 << 40))
def test_spanning_is_the_narrowest(lo, width):
    kind = IntType.spanning(lo, lo + width)
    assert kind.lo <= lo
    assert lo + width <= kind.hi
    assert kind.signed == (lo < 0)
    if kind.bits > 1:
        narrower = IntType(kind.bits - 1, kind.signed)
        assert not narrower.lo <= lo <= lo + width <= narrower.hi


@pytest.mark.parametrize(("kind", "lo", "hi"), [(IntType(8), 0, 255), (IntType(8, True), -128, 127), (BIPOLAR, -1, 1),
                                                (IntType(1), 0, 1), (IntType(1, True), -1, 0)])
def test_limits(kind, lo, hi):
    assert (kind.lo, kind.hi) == (lo, hi)
    assert kind.holds(np.array([lo, hi]))
    assert not kind.holds(np.array([lo, hi + 1]))
    assert kind.holds(np.array([0])) == (kind != BIPOLAR)


@pytest.mark.parametrize("bad", [{"bits": 0}, {"bits": 2, "bipolar": True},
                                 {"bits": 1, "bipolar": True, "signed": True}])
def test_no_such_type(bad):
    with pytest.raises(ValueError, match="no such integer type"):
        IntType(**bad)


def test_every_byte_survives_the_way_out_and_back():
    codes = np.arange(252).reshape(42, 6)
    stream = BYTES.to_stream(codes)
    np.testing.assert_array_equal(stream[0], [0, 3, 1, 4, 2, 5])  # channels last: two channels, three columns
    x = BYTES.decode(stream)
    assert (x.shape, x.dtype) == ((42, 2, 3), np.float32)
    np.testing.assert_array_equal(x.reshape(42, 6), (codes / np.float64(255)).astype(np.float32))
    np.testing.assert_array_equal(BYTES.encode(x), stream)
    np.testing.assert_array_equal(BYTES.encode(x.astype(np.float64).reshape(42, 6)), stream)


def test_values_between_codes_round_to_even():
    spec = InputSpec(IntType(4, signed=True), Fraction(1, 2), (4,))
    assert spec.encode(np.array([[0.25, 0.75, -0.25, 3.5]])).tolist() == [[0, 2, 0, 7]]


def test_bipolar_values_are_signs():
    spec = InputSpec(BIPOLAR, Fraction(1, 4), (3,))
    assert spec.encode(np.array([[0.25, -0.25, 0.0]])).tolist() == [[1, -1, 1]]
    assert spec.decode(np.array([[1, -1, 1]])).tolist() == [[0.25, -0.25, 0.25]]


def test_encoder():
    spec = InputSpec(BIPOLAR, Fraction(1), (2,), Chain(Fraction(1)).then("mul", 2).then("sub", 1))
    assert spec.encode(np.array([[0.5, 0.4999999], [1, 0]])).tolist() == [[1, -1], [1, -1]]
    with pytest.raises(ValueError, match="codes of the model's own first quantiser cannot be decoded"):
        spec.decode(np.array([[1, 1]]))


@pytest.mark.parametrize(("x", "message"), [
    (np.zeros((5, 7)), "data: frames have the shape [7], 7 elements; the model takes [2, 3], 6 elements; reshape the "
     "data"),
    (np.full((1, 6), np.nan), "data: holds NaN or infinite values; repair the data"),
    (np.full((1, 6), 255.0), "data: values range from 255 to 255; uint8 codes of 1/255 each span 0 to 1; scale the "
     "data as in training, or give integers, which are taken as codes"),
])
def test_data_that_does_not_fit(x, message):
    with pytest.raises(UserError) as error:
        BYTES.encode(x)
    assert str(error.value) == message
