"""The width converter on images: each pixel begins a new word on both sides."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.width import WidthConverter, WidthParameters

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])


@settings(max_examples=40)
@given(channels=st.integers(1, 20), lanes_in=st.integers(1, 9), lanes_out=st.integers(1, 9), pixels=st.integers(1, 4),
       offers=stalls, accepts=stalls, seed=st.integers(0, 2**32 - 1))
def test_each_pixel_begins_a_word(check_unit, channels, lanes_in, lanes_out, pixels, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 8, size=(3, pixels, channels))
    unit = WidthConverter(3, WidthParameters(channels, lanes_in, lanes_out, pixels))
    got = check_unit(unit, check_unit.to_words(frames, lanes_in, 3, rng), len(frames), offers, accepts)
    assert np.array_equal(check_unit.from_words(got, channels, lanes_out, 3), frames.reshape(-1, channels))


def test_a_frame_of_pixels_has_the_phases_of_one_repeated():
    one, many = WidthParameters(10, 4, 3).schedule, WidthParameters(10, 4, 3, pixels=5).schedule
    assert many.phases == 5 * one.phases
    assert many.words_in == (15,)
    assert many.words_out == (20,)
