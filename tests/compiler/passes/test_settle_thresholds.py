"""Thresholds are the float32 expression's own: bisection finds what trying every integer finds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler.float32 import ROUNDINGS, SIGN, Chain, Steps, Uniform
from gatewright.compiler.ir import IntType, Value
from gatewright.compiler.passes.settle_thresholds import SettleThresholds, settle
from gatewright.errors import UserError


def source(lo: int, hi: int, channels: int = 1) -> Value:
    return Value("acc", (channels,), IntType.spanning(lo, hi), lo, hi)


def codes_of(settled, integers):
    column = np.asarray(integers)[:, None, None]
    met = np.where(settled.falling[:, None], column <= settled.thresholds, column >= settled.thresholds)
    return settled.base + met.sum(axis=-1)


NUMBERS = st.one_of(
    st.floats(-4, 4, width=32), st.just(0.0), st.just(-0.0), st.floats(-1e6, 1e6, width=32),
    st.sampled_from([0.1, -0.1, 1e-6, 3e-5, 1.5, -2.5, 1e9, -1e9]))
NONZERO = NUMBERS.filter(lambda x: abs(np.float32(x)) > 1e-30)


@st.composite
def chains(draw, channels: int):
    """Expressions as models have them: batch normalisation mostly, and any other mix of operations."""
    per_channel = st.lists(NUMBERS, min_size=channels, max_size=channels)
    chain = Chain(np.array([draw(st.sampled_from([1.0, 0.5, float(np.float32(0.1)), 0.01, 3.7e-4]))]))
    if draw(st.booleans()):
        variance = np.float32(draw(st.sampled_from([0.0, 1e-12, 1e-5, 0.1, 1.0, 300.0, 1e8])))
        chain = chain.then("sub", draw(per_channel)).then("div", np.sqrt(variance + np.float32(1e-5)))
        return chain.then("mul", draw(per_channel)).then("add", draw(per_channel))
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["add", "sub", "rsub", "mul", "div", "max", "min"]))
        constant = st.lists(NONZERO, min_size=channels, max_size=channels) if kind == "div" else per_channel
        chain = chain.then(kind, draw(constant))
    return chain


@settings(max_examples=300)
@given(st.data(), st.integers(1, 5), st.integers(-300, 300), st.integers(0, 600), st.booleans())
def test_bisection_is_exhaustive_search(data, channels, lo, width, exhaustive):
    chain = data.draw(chains(channels))
    acc = source(lo, lo + width, channels)
    settled = settle(chain, SIGN, acc, "n", 1 << 22 if exhaustive else 0)
    integers = np.arange(acc.lo, acc.hi + 1)
    expected = np.broadcast_to(chain(integers[:, None]), (len(integers), channels)) >= 0
    np.testing.assert_array_equal(codes_of(settled, integers), expected - 1)
    # Canonical: the threshold is the first integer of its kind, constant channels rise.
    for channel in range(channels):
        met = integers[expected[:, channel]]
        if settled.falling[channel]:
            assert settled.thresholds[channel, 0] == met.max()
        else:
            assert settled.thresholds[channel, 0] == (met.min() if len(met) else acc.hi + 1)
    assert not (settled.falling & (expected == expected[0]).all(axis=0)).any()


@st.composite
def quantisers(draw, channels: int):
    if draw(st.booleans()):
        rows = draw(st.sampled_from([1, channels]))
        levels = draw(st.integers(1, 5))
        steps = draw(st.lists(st.floats(-50, 50, width=32), min_size=rows * levels, max_size=rows * levels))
        return Steps(np.sort(np.array(steps, dtype=np.float32).reshape(rows, levels), axis=1), draw(st.integers(-3, 3)))
    lo = draw(st.integers(-300, 5))
    scales = st.floats(np.float32(0.01), 9, width=32)
    scale = draw(st.lists(scales, min_size=channels, max_size=channels) | st.tuples(scales))
    return Uniform(np.array(scale, dtype=np.float32), lo, lo + draw(st.integers(1, 300)),
                   draw(st.sampled_from(sorted(ROUNDINGS))), draw(st.integers(0, 2)))


@settings(max_examples=300)
@given(st.data(), st.integers(1, 4), st.integers(-300, 300), st.integers(0, 600), st.booleans())
def test_many_levels(data, channels, lo, width, exhaustive):
    """Every code of every quantiser, on every integer; levels out of reach of all channels are left out."""
    chain, quantiser = data.draw(chains(channels)), data.draw(quantisers(channels))
    acc = source(lo, lo + width, channels)
    settled = settle(chain, quantiser, acc, "n", 1 << 22 if exhaustive else 0)
    integers = np.arange(acc.lo, acc.hi + 1)
    expected = quantiser(np.broadcast_to(chain(integers[:, None]), (len(integers), channels)))
    np.testing.assert_array_equal(codes_of(settled, integers), expected)
    assert settled.thresholds.shape[1] == max(1, expected.max() - expected.min())
    assert settled.base == min(expected.min(), quantiser.hi - 1)


def test_the_threshold_itself():
    """+1 from the first accumulator whose expression is >= 0: acc * 0.5 - 3 is 0 at 6."""
    settled = settle(Chain(np.array([0.5])).then("sub", 3), SIGN, source(-10, 10), "n")
    assert settled.thresholds.tolist() == [[6]]
    assert settled.falling.tolist() == [False]


def test_rounding_half_to_even():
    """Code 1 begins beyond 0.5, code 2 at 1.5: in steps of 0.25, at 3 and at 6."""
    settled = settle(Chain(np.array([0.25])), Uniform(np.ones(1, np.float32), 0, 2), source(0, 100), "n")
    assert settled.thresholds.tolist() == [[3, 6]]


def test_a_falling_channel():
    settled = settle(Chain(np.array([1.0])).then("rsub", [2.5, -2.5]), SIGN, source(-10, 10, 2), "n")
    assert settled.thresholds.tolist() == [[2], [-3]]
    assert settled.falling.tolist() == [True, True]


def test_channels_of_both_directions_and_constant_ones():
    chain = Chain(np.array([1.0])).then("mul", [1, -1, 0, 0, 1, -1]).then("add", [0, 0, 1, -1, 100, -100])
    settled = settle(chain, SIGN, source(-10, 10, 6), "n")
    assert settled.thresholds.tolist() == [[0], [0], [-10], [11], [-10], [11]]
    assert settled.falling.tolist() == [False, True, False, False, False, False]


def test_rounding_decides_as_float32_does():
    """In steps of 1/255, 2x - 1 >= 0 from code 128 on; x - 0.2 >= 0 from 51 on if 51/255 rounds to 0.2 or above."""
    pixel = source(0, 255)
    settled = settle(Chain(Fraction(1, 255)).then("mul", 2).then("sub", 1), SIGN, pixel, "n")
    assert settled.thresholds.tolist() == [[128]]
    chain = Chain(Fraction(1, 255)).then("sub", np.float32(0.2))
    settled = settle(chain, SIGN, pixel, "n")
    assert settled.thresholds.tolist() == [[51 if np.float32(51 / 255) >= np.float32(0.2) else 52]]


def test_wide_intervals_need_no_search():
    """2^40 integers: forty evaluations."""
    chain = Chain(np.array([2.0**-20])).then("sub", 1000.0)
    thresholds = settle(chain, SIGN, source(-(1 << 40), 1 << 40), "n").thresholds
    assert chain(thresholds)[0, 0] >= 0
    assert chain(thresholds - 1)[0, 0] < 0


def test_overflow_is_refused():
    with pytest.raises(UserError) as error:
        settle(Chain(np.array([1.0])).then("mul", 3e38), SIGN, source(-10, 10), "BatchNormalization_3")
    assert str(error.value) == ("node 'BatchNormalization_3': leaves the range of float32 for the accumulator -10; "
                                "check the scales and the normalisation before the quantiser")


class Broken(Chain):
    """An expression that says it rises and does not: only evaluation can find that."""

    def start(self, integers):
        return np.abs(np.asarray(integers, dtype=np.float32)) - np.float32(3)


def test_what_is_not_monotone_is_found():
    with pytest.raises(UserError) as error:
        settle(Broken(np.array([1.0])), SIGN, source(-10, 10, 2), "Abs_3")
    assert str(error.value) == ("node 'Abs_3': is not monotone: channel 0 breaks its order at the accumulator -10; "
                                "use a monotone activation before the quantiser")


def test_what_is_not_monotone_needs_few_integers(net):
    build = net((1,), IntType(13))
    graph = build.graph(build.quantise(build.value, Chain(np.array([1.0])).then("abs"), SIGN))
    with pytest.raises(UserError) as error:
        SettleThresholds()(graph)
    assert str(error.value) == ("node 'q0_expr': is not monotone, and has too many integers for a table: 0 to 8191; "
                                "put a quantiser of at most 12 bits before it")
