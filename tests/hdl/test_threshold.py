"""Thresholds against NumPy (values) and against their schedule (cycles), under random stalls."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.threshold import ThresholdParameters, ThresholdUnit

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
stalls = st.tuples(patterns, patterns)
seeds = st.integers(0, 2**32 - 1)


def met(frames, thresholds, falling):
    """How many thresholds each integer meets: [frames, pixels, channels]."""
    a = frames[..., None]
    return np.where(falling[:, None], a <= thresholds, a >= thresholds).sum(axis=-1)


def draw(rng, kind, channels, levels, uniform):
    """Thresholds from met by every integer to met by none, in any order, and directions."""
    thresholds = rng.integers(kind.lo - 1, kind.hi + 2, size=(channels, levels))
    falling = rng.integers(0, 2, size=channels).astype(bool)
    if uniform:
        thresholds[:], falling[:] = thresholds[0], falling[0]
    return thresholds, falling


@settings(max_examples=60)
@given(channels=st.integers(1, 12), lanes=st.integers(1, 6), pixels=st.integers(1, 3), levels=st.integers(1, 10),
       bits=st.integers(1, 16), signed=st.booleans(), base=st.integers(-9, 3), uniform=st.booleans(),
       pipeline=st.integers(0, 3), stalls=stalls, seed=seeds)
def test_the_code_counts_thresholds_met_in_both_directions(check_integers, channels, lanes, pixels, levels, bits,
                                                           signed, base, uniform, pipeline, stalls, seed):
    rng, kind = np.random.default_rng(seed), IntType(bits, signed)
    thresholds, falling = draw(rng, kind, channels, levels, uniform)
    frames = rng.integers(kind.lo, kind.hi + 1, size=(3, pixels, channels))
    output = IntType.spanning(base, base + levels)
    unit = ThresholdUnit(ThresholdParameters(thresholds, falling, lanes, kind, output, base, pixels,
                                             pipeline=pipeline))
    assert unit.parameters.constant or not uniform
    got = check_integers(unit, frames.reshape(3, -1), channels, channels, stalls, rng)
    assert got.tolist() == (base + met(frames, thresholds, falling)).reshape(3, -1).tolist()


@settings(max_examples=30)
@given(channels=st.integers(1, 20), lanes=st.integers(1, 8), bits=st.integers(1, 6), signed=st.booleans(),
       uniform=st.booleans(), stalls=stalls, seed=seeds)
def test_one_threshold_makes_a_sign(check_integers, channels, lanes, bits, signed, uniform, stalls, seed):
    rng, kind = np.random.default_rng(seed), IntType(bits, signed)
    thresholds, falling = draw(rng, kind, channels, 1, uniform)
    frames = rng.integers(kind.lo, kind.hi + 1, size=(4, channels))
    unit = ThresholdUnit(ThresholdParameters(thresholds[:, 0], falling, lanes, kind))
    assert unit.parameters.output == BIPOLAR
    got = check_integers(unit, frames, channels, channels, stalls, rng)
    assert got.tolist() == (2 * met(frames, thresholds, falling) - 1).tolist()


@pytest.mark.parametrize(("levels", "output", "base"), [
    (255, IntType(8), 0), (254, IntType(8, signed=True), -127), (15, IntType(4, signed=True), -8), (14, IntType(4), 1),
])
def test_every_integer_of_a_wide_input_gets_its_code(check_integers, levels, output, base):
    """Ten-bit integers to codes of four and eight bits, the narrow ranges too; no word waits for another."""
    rng, kind, channels = np.random.default_rng(1), IntType(10, signed=True), 3
    thresholds, falling = draw(rng, kind, channels, levels, uniform=False)
    every = np.arange(kind.lo, kind.hi + 1).repeat(channels).reshape(1, -1)
    unit = ThresholdUnit(ThresholdParameters(thresholds, falling, 2, kind, output, base, 1 << 10))
    got = check_integers(unit, every, channels, channels, ([1], [1]), rng)
    assert got.tolist() == (base + met(every.reshape(1, -1, channels), thresholds, falling)).reshape(1, -1).tolist()
    assert unit.schedule.stages == levels.bit_length() + 1
    assert unit.schedule.phases == 2 << 10
    # A memory before each comparator, and pipelined a cycle more for each.
    assert replace(unit.parameters, pipeline=1).schedule.stages == 2 * levels.bit_length() + 1


def test_thresholds_that_all_channels_share_need_no_word_of_their_own():
    shared = ThresholdParameters(np.tile(np.arange(15), (64, 1)), np.zeros(64), 4, IntType(8), IntType(4))
    assert shared.constant
    assert [shared.search_level(level).shape for level in range(4)] == [(1, 4, 1), (1, 4, 2), (1, 4, 4), (1, 4, 8)]
    assert shared.schedule.stages == 4


@pytest.mark.parametrize(("make", "message"), [
    (lambda: ThresholdParameters(np.array([300]), np.array([False]), 1, IntType(8)),
     "thresholds must lie from -1 to 256, not 300 to 300"),
    (lambda: ThresholdParameters(np.zeros((2, 3)), np.zeros(3), 1, IntType(8)),
     r"thresholds and falling must be of shapes \[channels, levels\] and \[channels\], not \(2, 3\) and \(3,\)"),
    (lambda: ThresholdParameters(np.zeros((2, 3)), np.zeros(2), 1, IntType(8)),
     "a bipolar output must have one threshold, not 3"),
    (lambda: ThresholdParameters(np.zeros((2, 3)), np.zeros(2), 1, IntType(8), IntType(2), 1),
     "output must hold the codes from 1 to 4, not uint2"),
    (lambda: ThresholdParameters(np.zeros((2, 1)), np.zeros(2), 1, BIPOLAR),
     "input of thresholds must be a plain integer type, not bipolar"),
    (lambda: ThresholdParameters(np.zeros((2, 1)), np.zeros(2), 0, IntType(8)),
     "lanes must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
