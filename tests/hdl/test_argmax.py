"""Arg-max against NumPy (values) and against its schedule (cycles), under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.argmax import ArgMaxParameters, ArgMaxUnit
from gatewright.hdl.number import BIPOLAR, IntType

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
types = st.builds(IntType, st.integers(1, 16), st.booleans()) | st.just(BIPOLAR)


@settings(max_examples=50)
@given(channels=st.integers(1, 20), lanes=st.integers(1, 8), pixels=st.integers(1, 3), kind=types,
       stalls=st.tuples(patterns, patterns), narrow=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_arg_max_is_numpys_also_on_ties(check_integers, channels, lanes, pixels, kind, stalls, narrow, seed):
    rng = np.random.default_rng(seed)
    if kind.bipolar:
        frames = rng.choice([-1, 1], size=(4, pixels, channels))
    else:
        # A narrow range makes ties.
        frames = rng.integers(kind.lo, min(kind.lo + 3, kind.hi) + 1 if narrow else kind.hi + 1,
                              size=(4, pixels, channels))
    unit = ArgMaxUnit(ArgMaxParameters(channels, lanes, kind, pixels))
    got = check_integers(unit, frames.reshape(4, -1), channels, 1, stalls, rng)
    assert got.tolist() == frames.argmax(axis=-1).tolist()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: ArgMaxParameters(0, 1, IntType(4)), "channels must be a positive integer, not 0"),
    (lambda: ArgMaxParameters(1, 0, IntType(4)), "lanes must be a positive integer, not 0"),
    (lambda: ArgMaxParameters(1, 1, IntType(4), 0), "pixels must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
