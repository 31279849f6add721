"""Tables against NumPy (values) and against their schedule (cycles), under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.table import TableParameters, TableUnit

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
types = st.builds(IntType, st.integers(1, 8), st.booleans())


@settings(max_examples=60)
@given(channels=st.integers(1, 9), lanes=st.integers(1, 4), pixels=st.integers(1, 3),
       kind=types | st.just(BIPOLAR), output=types | st.just(BIPOLAR), shared=st.booleans(),
       pipeline=st.integers(0, 3), stalls=st.tuples(patterns, patterns), seed=st.integers(0, 2**32 - 1))
def test_every_integer_finds_its_entry(check_integers, channels, lanes, pixels, kind, output, shared, pipeline, stalls,
                                       seed):
    rng = np.random.default_rng(seed)
    first, last = (-1, 1) if kind.bipolar else sorted(rng.integers(kind.lo, kind.hi + 1, size=2).tolist())
    size = (1 if shared else channels, last - first + 1)
    table = rng.choice([-1, 1], size=size) if output.bipolar else rng.integers(output.lo, output.hi + 1, size=size)
    frames = rng.choice(np.arange(first, last + 1, 2 if kind.bipolar else 1), size=(4, pixels, channels))
    unit = TableUnit(TableParameters(table, first, channels, lanes, kind, output, pixels, pipeline=pipeline))
    assert unit.schedule.stages == 1 + (pipeline > 0)
    expected = table[0 if shared else np.arange(channels), frames - first]
    got = check_integers(unit, frames.reshape(4, -1), channels, channels, stalls, rng)
    assert got.tolist() == expected.reshape(4, -1).tolist()


@pytest.mark.parametrize(("changes", "message"), [
    ({"table": np.zeros((3, 4))}, r"table must be of shape \[1 or 2, span\], not \(3, 4\)"),
    ({"first": -1}, "input must hold the integers from -1 to 2, not uint2"),
    ({"input": BIPOLAR}, "input must hold the integers from 0 to 3, not bipolar"),
    ({"output": BIPOLAR}, "table must hold bipolar only, not 0 to 0"),
    ({"channels": 0}, "channels must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(changes, message):
    good = {"table": np.zeros((2, 4)), "first": 0, "channels": 2, "lanes": 1, "input": IntType(2),
            "output": IntType(8)}
    with pytest.raises(ValueError, match=f"^{message}$"):
        TableParameters(**(good | changes))
