"""Streams carry every element of a value once, in order, whatever their lanes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler.ir import IntType, Value
from gatewright.compiler.stream import NOTHING, stream
from gatewright.compiler.words import lanes_of, pack, unpack, unpack_lanes

shapes = st.one_of(st.tuples(st.integers(1, 40)), st.tuples(*[st.integers(1, 5)] * 3))
types = st.one_of(st.just(IntType(1, bipolar=True)), st.builds(IntType, st.integers(1, 33), st.booleans()))


def value(shape, kind):
    return Value("v", shape, kind, kind.lo, kind.hi)


def integers(kind, rng, *shape):
    codes = rng.integers(kind.lo, kind.hi + 1, size=shape)
    return np.where(codes > 0, 1, -1) if kind.bipolar else codes


@given(shape=shapes, kind=types, lanes=st.integers(1, 12), seed=st.integers(0, 99))
def test_words_out_and_back(shape, kind, lanes, seed):
    carried = value(shape, kind)
    edge = stream("s", carried, lanes)
    frames = integers(kind, np.random.default_rng(seed), 3, carried.elements)
    rows = pack(frames, edge)
    assert rows.shape == (3 * edge.words, -(-edge.bits // 8))
    assert np.array_equal(unpack(rows, edge), frames)
    there = edge.index != NOTHING
    assert np.array_equal(unpack_lanes(rows, edge)[:, there], lanes_of(frames, edge)[:, there])


@given(shape=shapes, lanes=st.integers(1, 12), wish=st.integers(1, 12))
def test_regrouping_keeps_the_order(shape, lanes, wish):
    edge = stream("s", value(shape, IntType(4)), lanes)
    other = edge.regrouped("t", wish)
    assert other.lanes == wish
    assert other.pixels == edge.pixels
    assert np.array_equal(other.flat, np.arange(edge.elements))


def test_an_image_is_seen_as_a_vector_only_where_pixels_end_with_words():
    image = value((2, 3, 4), IntType(2))
    vector = stream("s", image, 2).per(24)
    assert (vector.pixel, vector.pixels, vector.words) == (24, 1, 12)
    with pytest.raises(ValueError, match="words of 3 lanes cannot be seen as groups of 24"):
        stream("s", image, 3).per(24)


def test_integers_of_another_type_are_refused():
    edge = stream("s", value((4,), IntType(2)), 2)
    with pytest.raises(ValueError, match="carries uint2, not these integers"):
        pack(np.array([[0, 1, 2, 4]]), edge)
    with pytest.raises(ValueError, match="carries a value of 4 integers, not these 3"):
        pack(np.array([[0, 1, 2]]), edge)
