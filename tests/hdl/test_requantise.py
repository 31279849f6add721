"""Multiply, add, shift and clip against NumPy (values) and against the schedule (cycles), under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.requantise import RequantiseParameters, RequantiseUnit

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
types = st.builds(IntType, st.integers(1, 16), st.booleans())


@settings(max_examples=60)
@given(channels=st.integers(1, 9), lanes=st.integers(1, 4), pixels=st.integers(1, 3), kind=types, output=types,
       factor=st.integers(1, 16), shift=st.integers(0, 24), uniform=st.booleans(), even=st.booleans(),
       pipeline=st.integers(0, 3), stalls=st.tuples(patterns, patterns), seed=st.integers(0, 2**32 - 1))
def test_requantised_integers_are_numpys(check_integers, channels, lanes, pixels, kind, output, factor, shift, uniform,
                                         even, pipeline, stalls, seed):
    rng = np.random.default_rng(seed)
    multiplier = rng.integers(-(1 << factor), (1 << factor) + 1, size=channels)
    offset = rng.integers(-(1 << factor + 3), (1 << factor + 3) + 1, size=channels)
    if uniform:
        multiplier[:], offset[:] = multiplier[0], offset[0]
    lo, hi = sorted(rng.integers(output.lo, output.hi + 1, size=2).tolist())
    frames = rng.integers(kind.lo, kind.hi + 1, size=(3, pixels, channels))
    shift = max(shift, int(even))
    unit = RequantiseUnit(RequantiseParameters(multiplier, offset, shift, lo, hi, lanes, kind, output, pixels, even,
                                               pipeline))
    scaled = frames * multiplier + offset
    # An odd number of halves, exactly: half way between two codes, of which the even one is taken.
    halves = even & (scaled % (1 << shift) == 0) & (scaled >> shift & 1)
    expected = np.clip((scaled >> shift) - halves, lo, hi)
    got = check_integers(unit, frames.reshape(3, -1), channels, channels, stalls, rng)
    assert got.tolist() == expected.reshape(3, -1).tolist()


def test_constants_that_all_words_share_save_a_cycle():
    def stages(multiplier, pipeline=0):
        return RequantiseParameters(multiplier, np.zeros(4), 3, 0, 255, 2, IntType(12, signed=True), IntType(8),
                                    pipeline=pipeline).schedule.stages

    assert (stages([5, 7, 5, 7]), stages([5, 7, 5, 8])) == (3, 4)
    assert (stages([5, 7, 5, 7], 1), stages([5, 7, 5, 8], 1)) == (3, 5), "only a memory's answer is registered again"


@pytest.mark.parametrize(("changes", "message"), [
    ({"offset": [1, 2]}, r"multiplier and offset must be of one shape \[channels\], not \(1,\) and \(2,\)"),
    ({"shift": -1}, "shift must be a non-negative integer, not -1"),
    ({"shift": 0, "even": True}, "shift must be positive to round half to even, not 0"),
    ({"input": BIPOLAR}, "input and output must be plain integer types, not bipolar and uint8"),
    ({"hi": 256}, "output must hold the codes from 0 to 256, not uint8"),
    ({"lanes": 0}, "lanes must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(changes, message):
    good = {"multiplier": [3], "offset": [0], "shift": 2, "lo": 0, "hi": 255, "lanes": 1, "input": IntType(8),
            "output": IntType(8)}
    with pytest.raises(ValueError, match=f"^{message}$"):
        RequantiseParameters(**(good | changes))
