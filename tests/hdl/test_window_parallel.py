"""The window that is seen whole, against NumPy and, in every cycle, against its schedule."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.window_parallel import ParallelWindowParameters, ParallelWindowUnit

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
seeds = st.integers(0, 2**32 - 1)


def pair(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def windows(draw, pixels=1):
    """Geometry of a window on a small image, ``pixels`` a word: one with at least one position."""
    geometry = {"height": draw(st.integers(1, 5)), "width": pixels * draw(st.integers(1, 6 // pixels)),
                "kernel": draw(pair(1, 4)), "stride": draw(pair(1, 3)), "pads": draw(pair(0, 2)) + draw(pair(0, 2)),
                "dilation": draw(pair(1, 3))}
    for axis, size in enumerate((geometry["height"], geometry["width"])):
        spare = size + sum(geometry["pads"][axis::2]) - geometry["dilation"][axis] * (geometry["kernel"][axis] - 1)
        assume(spare > 0)
    return geometry


def windowed(images, geometry, fill):
    """What each position sees: ``[frames, positions, taps * channels]``, by padding and slicing."""
    frames, _, _, channels = images.shape
    top, left, bottom, right = geometry["pads"]
    padded = np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (rows, columns), (down, over), (tall, wide) = geometry["kernel"], geometry["stride"], geometry["dilation"]
    places = [padded[:, row : row + tall * rows : tall, column : column + wide * columns : wide][:, :rows, :columns]
              for row in range(0, padded.shape[1] - tall * (rows - 1), down)
              for column in range(0, padded.shape[2] - wide * (columns - 1), over)]
    return np.stack(places, axis=1).reshape(frames, len(places), rows * columns * channels)


def check_window(check_unit, parameters, geometry, frames, rng, offers, accepts):
    kind = parameters.input
    shape = (frames, parameters.height, parameters.width, parameters.channels)
    images = rng.choice([-1, 1], size=shape) if kind.bipolar else rng.integers(kind.lo, kind.hi + 1, size=shape)
    sent = (images + 1) // 2 if kind.bipolar else images
    got = check_unit(ParallelWindowUnit(parameters), check_unit.to_words(
        sent.reshape(-1, parameters.lanes_in), parameters.lanes_in, kind.bits, rng), frames, offers, accepts)
    seen = windowed(images, geometry, parameters.fill)
    expected = (seen + 1) // 2 if parameters.output.bipolar else seen
    lanes = parameters.lanes_out
    assert np.array_equal(check_unit.from_words(got, lanes, lanes, parameters.output.bits, parameters.output.signed),
                          expected.reshape(-1, lanes))


@settings(max_examples=80)
@given(geometry=windows(), channels=st.integers(1, 2), extra=st.integers(0, 9), signed=st.booleans(), offers=stalls,
       accepts=stalls, seed=seeds)
def test_a_word_is_what_a_position_sees(check_unit, geometry, channels, extra, signed, offers, accepts, seed):
    parameters = ParallelWindowParameters(channels=channels, fill=1, input=IntType(2 + signed, signed), **geometry)
    parameters = replace(parameters, depth=parameters.depth + extra)
    check_window(check_unit, parameters, geometry, 3, np.random.default_rng(seed), offers, accepts)


@settings(max_examples=60)
@given(data=st.data(), pixels=st.integers(2, 3), offers=stalls, accepts=stalls, seed=seeds)
def test_several_pixels_a_word_give_several_positions_a_word(check_unit, data, pixels, offers, accepts, seed):
    geometry = data.draw(windows(pixels))
    top, left, bottom, right = geometry["pads"]
    stride = geometry["stride"][1]
    assume(pixels <= stride or pixels % stride == 0)
    # Pad on the right until words of positions fill the row.
    each = max(1, pixels // stride)
    spare = geometry["width"] + left + right - geometry["dilation"][1] * (geometry["kernel"][1] - 1) - 1
    right += -(spare // stride + 1) % each * stride
    geometry["pads"] = top, left, bottom, right
    parameters = ParallelWindowParameters(channels=1, pixels_per_word=pixels, input=IntType(3), **geometry)
    assert parameters.positions_per_word == each
    check_window(check_unit, parameters, geometry, 3, np.random.default_rng(seed), offers, accepts)


@settings(max_examples=20)
@given(geometry=windows(), fill=st.sampled_from([-1, 0]), seed=seeds)
def test_bipolar_pixels_beside_zeros_become_two_bits(check_unit, geometry, fill, seed):
    parameters = ParallelWindowParameters(channels=2, input=BIPOLAR, fill=fill, **geometry)
    check_window(check_unit, parameters, geometry, 2, np.random.default_rng(seed), (1,), (1,))


@pytest.mark.parametrize("pixels", [1, 2])
def test_full_rate_with_padding_all_around(check_unit, pixels):
    """3x3, padded to keep the size: a word in and a word out in every cycle, also from frame to frame."""
    parameters = ParallelWindowParameters(6, 8, 1, (3, 3), pads=(1, 1, 1, 1), pixels_per_word=pixels)
    words = parameters.schedule.words
    assert parameters.schedule.phases == words == 48 // pixels
    unit = ParallelWindowUnit(replace(parameters, depth=parameters.depth + parameters.row_words))
    _, taken_at, given_at = check_unit.simulate(unit, [0] * 4 * words, [1], [1], 4 * words)
    assert np.diff(taken_at).tolist() == [1] * (4 * words - 1)
    assert np.diff(given_at[words:]).tolist() == [1] * (3 * words - 1)


@pytest.mark.parametrize(("kernel", "depth", "banks"), [
    ((3, 3), 2 * 8 + 3, (3, 3)),
    ((1, 3), 3, (1, 3)),
    ((2, 1), 8 + 1, (2, 1)),
])
def test_least_depth_is_the_rows_and_pixels_that_the_window_spans(kernel, depth, banks):
    parameters = ParallelWindowParameters(6, 8, 4, kernel)
    assert parameters.depth == depth
    assert parameters.banks == banks


@pytest.mark.parametrize(("change", "message"), [
    ({"kernel": (9, 1)}, "kernel must fit the padded image: 9 taps, 1 apart, on 6"),
    ({"depth": 18}, "depth must be at least 19 words, which the window spans, not 18"),
    ({"pixels_per_word": 3}, "pixels_per_word must divide the width, 8, and be a multiple of the stride, 1, whose "
                             "positions of a word divide those of a row, 6; not 3"),
    ({"pixels_per_word": 4}, "pixels_per_word must divide the width, 8, and be a multiple of the stride, 1, whose "
                             "positions of a word divide those of a row, 6; not 4"),
    ({"channels": 0}, "channels must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(change, message):
    geometry = {"height": 6, "width": 8, "channels": 4, "kernel": (3, 3)}
    with pytest.raises(ValueError, match=f"^{message}$"):
        ParallelWindowParameters(**{**geometry, **change})
