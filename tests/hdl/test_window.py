"""The sliding window against NumPy and, in every cycle, against its schedule, with every kind of window."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.window import WindowParameters, WindowUnit

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])


def pair(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def windows(draw, inserts=True):
    """Geometry of a window on a small image: one with at least one position."""
    geometry = {"height": draw(st.integers(1, 5)), "width": draw(st.integers(1, 6)), "kernel": draw(pair(1, 4)),
                "stride": draw(pair(1, 3)), "pads": draw(pair(0, 2)) + draw(pair(0, 2)), "dilation": draw(pair(1, 3)),
                "insert": draw(pair(1, 3)) if inserts and draw(st.booleans()) else (1, 1)}
    size = [insert * (size - 1) + 1 + sum(geometry["pads"][axis::2])
            for axis, (size, insert) in enumerate(zip((geometry["height"], geometry["width"]), geometry["insert"],
                                                      strict=True))]
    assume(all(dilation * (kernel - 1) < length for dilation, kernel, length in zip(
        geometry["dilation"], geometry["kernel"], size, strict=True)))
    return geometry


def windowed(images, geometry, fill):
    """What each tap of each position sees: ``[frames, positions, taps, channels]``, by padding and slicing."""
    frames, height, width, channels = images.shape
    (up, across), (top, left, bottom, right) = geometry["insert"], geometry["pads"]
    spread = np.full((frames, up * (height - 1) + 1, across * (width - 1) + 1, channels), fill, dtype=np.int64)
    spread[:, ::up, ::across] = images
    padded = np.pad(spread, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (rows, columns), (down, over), (tall, wide) = geometry["kernel"], geometry["stride"], geometry["dilation"]
    places = []
    for row in range(0, padded.shape[1] - tall * (rows - 1), down):
        for column in range(0, padded.shape[2] - wide * (columns - 1), over):
            seen = padded[:, row : row + tall * rows : tall, column : column + wide * columns : wide]
            places.append(seen[:, :rows, :columns].reshape(frames, rows * columns, channels))
    return np.stack(places, axis=1)


def images_of(kind, frames, geometry, channels, rng):
    shape = (frames, geometry["height"], geometry["width"], channels)
    return rng.choice([-1, 1], size=shape) if kind.bipolar else rng.integers(kind.lo, kind.hi + 1, size=shape)


def codes(values, kind):
    """Integers as the lanes carry them."""
    return (values + 1) // 2 if kind.bipolar else values


@settings(max_examples=80)
@given(geometry=windows(), lanes=st.integers(1, 3), per_group=st.integers(1, 2), groups=st.integers(1, 2),
       extra=st.integers(0, 5), signed=st.booleans(), offers=stalls, accepts=stalls, seed=st.integers(0, 2**32 - 1))
def test_window_gives_what_each_tap_sees(check_unit, geometry, lanes, per_group, groups, extra, signed, offers, accepts,
                                         seed):
    rng = np.random.default_rng(seed)
    kind, channels = IntType(3, signed), lanes * per_group * groups
    parameters = WindowParameters(channels=channels, lanes=lanes, groups=groups, fill=1, input=kind, **geometry)
    parameters = replace(parameters, depth=parameters.depth + extra)
    images = images_of(kind, 3, geometry, channels, rng)
    got = check_unit(WindowUnit(parameters), check_unit.to_words(images, lanes, 3, rng), 3, offers, accepts)
    expected = windowed(images, geometry, 1).reshape(3, -1, 1, parameters.kernel[0] * parameters.kernel[1], groups,
                                                     lanes * per_group).swapaxes(2, 4)
    assert np.array_equal(check_unit.from_words(got, lanes, lanes, 3, signed), expected.reshape(-1, lanes))


@settings(max_examples=30)
@given(geometry=windows(), channels=st.integers(1, 5), lanes=st.integers(1, 4), offers=stalls, accepts=stalls,
       seed=st.integers(0, 2**32 - 1))
def test_padding_lanes_pass_where_each_word_is_a_group(check_unit, geometry, channels, lanes, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    groups, kind = -(-channels // lanes), IntType(2)
    unit = WindowUnit(WindowParameters(channels=channels, lanes=lanes, groups=groups, input=kind, **geometry))
    images = images_of(kind, 2, geometry, channels, rng)
    got = check_unit(unit, check_unit.to_words(images, lanes, 2, rng), 2, offers, accepts)
    seen = windowed(images, geometry, 0)
    by_word = check_unit.from_words(got, lanes, lanes, 2).reshape(2, seen.shape[1], groups, seen.shape[2], lanes)
    assert np.array_equal(by_word.swapaxes(2, 3).reshape(*seen.shape[:3], -1)[..., :channels], seen)


@settings(max_examples=30)
@given(geometry=windows(), lanes=st.integers(1, 3), fill=st.sampled_from([-1, 0]), seed=st.integers(0, 2**32 - 1))
def test_bipolar_pixels_beside_zeros_become_two_bits(check_unit, geometry, lanes, fill, seed):
    rng = np.random.default_rng(seed)
    parameters = WindowParameters(channels=lanes, lanes=lanes, input=BIPOLAR, fill=fill, **geometry)
    images = images_of(BIPOLAR, 2, geometry, lanes, rng)
    seen = windowed(images, geometry, fill)
    wide = parameters.output == IntType(2, signed=True)
    assert wide == (0 in seen)
    got = check_unit(WindowUnit(parameters), check_unit.to_words(codes(images, BIPOLAR), lanes, 1, rng), 2)
    expected = seen if wide else codes(seen, BIPOLAR)
    assert np.array_equal(check_unit.from_words(got, lanes, lanes, parameters.output.bits, wide),
                          expected.reshape(-1, lanes))


@pytest.mark.parametrize(("kernel", "stride", "depth"), [
    # A pixel is two words; after a position its first pixel goes.
    ((3, 3), (1, 1), 2 * (2 * 8 + 3)),
    ((1, 3), (1, 1), 2 * 3),
    ((2, 2), (2, 2), 2 * (8 + 2)),
    ((1, 1), (2, 2), 2),
])
def test_least_depth_is_the_rows_and_pixels_that_the_window_spans(kernel, stride, depth):
    assert WindowParameters(6, 8, 4, 2, kernel, stride).depth == depth


def test_full_rate_where_positions_are_pixels(check_unit):
    """A kernel of one tap and a stride of one is a FIFO; with room for two words it runs at one word a cycle."""
    unit = WindowUnit(WindowParameters(3, 3, 2, 2, (1, 1), depth=2))
    _, taken_at, given_at = check_unit.simulate(unit, [0] * 18, [1], [1], 18)
    assert np.diff(taken_at).tolist() == [1] * 17
    assert np.diff(given_at).tolist() == [1] * 17


@pytest.mark.parametrize(("change", "message"), [
    ({"kernel": (9, 1)}, "kernel must fit the padded image: 9 taps, 1 apart, on 6"),
    ({"pads": (0, -1, 0, 0)}, "pads must be non-negative integers, not -1"),
    ({"pads": (1, 1)}, r"pads must be a tuple of 4 integers, not \(1, 1\)"),
    ({"lanes": 3}, "lanes must divide the channels of a group, 4 / 1, not 3"),
    ({"groups": 4}, "lanes must divide the channels of a group, 4 / 4, not 2"),
    ({"depth": 37}, "depth must be at least 38 words, which the window spans, not 37"),
    ({"pads": (1, 0, 0, 0), "fill": 16}, "fill must be of the output's type, uint4, not 16"),
    ({"output": IntType(5)}, "output must be the input's type, uint4, or int2 for a bipolar one, not uint5"),
    ({"height": 0}, "height must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(change, message):
    geometry = {"height": 6, "width": 8, "channels": 4, "lanes": 2, "kernel": (3, 3), "input": IntType(4)}
    with pytest.raises(ValueError, match=f"^{message}$"):
        WindowParameters(**{**geometry, **change})
