"""Pooling against NumPy, behind a window and over a whole image, in every cycle as scheduled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.pool import PoolParameters, PoolUnit

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
types = st.builds(IntType, st.integers(1, 4), st.booleans()) | st.just(BIPOLAR)


@settings(max_examples=80)
@given(kind=st.sampled_from(["max", "sum"]), order=st.sampled_from(["inner", "outer"]), taps=st.integers(1, 5),
       words=st.integers(1, 4), lanes=st.integers(1, 3), positions=st.integers(1, 3), given_type=types, offers=stalls,
       accepts=stalls, seed=st.integers(0, 2**32 - 1))
def test_pool_is_numpys(check_unit, kind, order, taps, words, lanes, positions, given_type, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    shape = (3, positions, words, taps, lanes) if order == "inner" else (3, positions, taps, words, lanes)
    x = rng.integers(given_type.lo, given_type.hi + 1, size=shape)
    if given_type.bipolar:
        x = np.where(x < 0, -1, 1)
    axis = 3 if order == "inner" else 2
    result = x.max(axis=axis) if kind == "max" else x.sum(axis=axis)
    output = given_type if kind == "max" else IntType.spanning(taps * given_type.lo, taps * given_type.hi)
    unit = PoolUnit(PoolParameters(kind, taps, words, lanes, given_type, output, positions, order))
    codes = (x + 1) // 2 if given_type.bipolar else x
    got = check_unit(unit, check_unit.to_words(codes, lanes, given_type.bits, rng), 3, offers, accepts)
    expected = (result + 1) // 2 if output.bipolar else result
    assert np.array_equal(check_unit.from_words(got, lanes, lanes, output.bits, output.signed),
                          expected.reshape(-1, lanes))


def test_a_sum_may_pass_its_output_type_on_the_way(check_unit):
    unit = PoolUnit(PoolParameters("sum", 4, 1, 1, IntType(4, signed=True), IntType(4, signed=True)))
    assert check_unit(unit, [7, 7, -8 & 15, -1 & 15], 1) == [5]


@pytest.mark.parametrize(("change", "message"), [
    ({"kind": "min"}, "kind must be one of max, sum, not 'min'"),
    ({"order": "any"}, "order must be one of inner, outer, not 'any'"),
    ({"taps": 0}, "taps must be a positive integer, not 0"),
    ({"output": BIPOLAR}, "output of a max of uint4 must not be bipolar"),
])
def test_parameters_say_what_must_hold(change, message):
    parameters = {"kind": "max", "taps": 4, "words": 1, "lanes": 2, "input": IntType(4), "output": IntType(4)}
    with pytest.raises(ValueError, match=f"^{message}$"):
        PoolParameters(**{**parameters, **change})
