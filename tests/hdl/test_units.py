"""Every unit against NumPy (values) and against its schedule (cycles), under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.width import WidthConverter, WidthParameters

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
seeds = st.integers(0, 2**32 - 1)


def in_words(values, lanes, bits, pack, rng):
    """A frame of channels as words; padding lanes hold rubbish, since nothing may depend on them."""
    values = list(values)
    rubbish = rng.integers(0, 1 << bits, size=-len(values) % lanes).tolist()
    values += rubbish
    return [pack(values[k : k + lanes], bits) for k in range(0, len(values), lanes)]


def out_frames(words, channels, lanes, bits, unpack, signed=False):
    """Words as an array [frames, channels] without the padding lanes."""
    flat = [unpack(word, bits, lanes, signed) for word in words]
    per_frame = -(-channels // lanes)
    return [[v for word in flat[k : k + per_frame] for v in word][:channels] for k in range(0, len(flat), per_frame)]


@settings(max_examples=60)
@given(channels=st.integers(1, 40), lanes_in=st.integers(1, 17), lanes_out=st.integers(1, 17), bits=st.integers(1, 5),
       offers=stalls, accepts=stalls, seed=seeds)
def test_width_converter_keeps_every_lane(check_unit, channels, lanes_in, lanes_out, bits, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 1 << bits, size=(4, channels))
    unit = WidthConverter(bits, WidthParameters(channels, lanes_in, lanes_out))
    words = [w for frame in frames for w in in_words(frame, lanes_in, bits, check_unit.pack, rng)]
    got = check_unit(unit, words, len(frames), offers, accepts)
    assert out_frames(got, channels, lanes_out, bits, check_unit.unpack) == frames.tolist()


@given(channels=st.integers(1, 200), lanes_in=st.integers(1, 60), lanes_out=st.integers(1, 60))
def test_width_converter_takes_at_most_one_cycle_more_than_its_longer_side(channels, lanes_in, lanes_out):
    schedule = WidthParameters(channels, lanes_in, lanes_out).schedule
    words_in, words_out = -(-channels // lanes_in), -(-channels // lanes_out)
    assert schedule.words_in == (words_in,)
    assert schedule.words_out == (words_out,)
    assert max(words_in, words_out) <= schedule.phases <= max(words_in, words_out) + 1


@pytest.mark.parametrize(("make", "message"), [
    (lambda: WidthParameters(4, 0, 1), "lanes_in must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
