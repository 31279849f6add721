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


@settings(max_examples=80)
@given(kind=st.sampled_from(["max", "sum"]), taps=st.integers(2, 20), words=st.integers(1, 3), lanes=st.integers(1, 3),
       positions=st.integers(1, 3), given_type=types, offers=stalls, accepts=stalls, seed=st.integers(0, 2**32 - 1))
def test_all_taps_of_a_word_at_once(check_integers, kind, taps, words, lanes, positions, given_type, offers, accepts,
                                    seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(given_type.lo, given_type.hi + 1, size=(3, positions * words, taps, lanes))
    if given_type.bipolar:
        x = np.where(x < 0, -1, 1)
    result = x.max(axis=2) if kind == "max" else x.sum(axis=2)
    output = given_type if kind == "max" else IntType.spanning(taps * given_type.lo, taps * given_type.hi)
    unit = PoolUnit(PoolParameters(kind, taps, words, lanes, given_type, output, positions, simd=taps))
    assert unit.schedule.phases == positions * words
    got = check_integers(unit, x.reshape(3, -1), taps * lanes, lanes, (offers, accepts), rng)
    assert np.array_equal(got, result.reshape(3, -1))


@pytest.mark.parametrize(("kind", "taps", "bits", "stages"), [
    ("max", 4, 4, 1), ("max", 9, 4, 2), ("max", 25, 4, 3), ("sum", 9, 4, 1), ("sum", 25, 4, 2), ("sum", 25, 1, 1),
])
def test_a_tree_of_all_taps_has_registers_and_no_bubbles(check_unit, kind, taps, bits, stages):
    output = IntType(bits) if kind == "max" else IntType.spanning(0, taps * IntType(bits).hi)
    unit = PoolUnit(PoolParameters(kind, taps, 2, 1, IntType(bits), output, 3, simd=taps))
    _, taken, given = check_unit.simulate(unit, [1] * 12, [1], [1], 12)
    assert given == [cycle + stages for cycle in range(12)]
    assert taken == list(range(12))


@pytest.mark.parametrize("simd", [1, 4])
def test_the_larger_sign_may_leave_as_a_number(check_unit, simd):
    unit = PoolUnit(PoolParameters("max", 4, 1, 1, BIPOLAR, IntType(2, signed=True), simd=simd))
    words = [0, 0, 0, 0, 0, 1, 0, 0] if simd == 1 else [0b0000, 0b0010]
    assert check_unit(unit, words, 2) == [3, 1]


@pytest.mark.parametrize("simd", [1, 4])
def test_a_sum_may_pass_its_output_type_on_the_way(check_unit, simd):
    unit = PoolUnit(PoolParameters("sum", 4, 1, 1, IntType(4, signed=True), IntType(4, signed=True), simd=simd))
    taps = [7, 7, -8 & 15, -1 & 15]
    assert check_unit(unit, taps if simd == 1 else [check_unit.pack(taps, 4)], 1) == [5]


@pytest.mark.parametrize(("change", "message"), [
    ({"kind": "min"}, "kind must be one of max, sum, not 'min'"),
    ({"order": "any"}, "order must be one of inner, outer, not 'any'"),
    ({"taps": 0}, "taps must be a positive integer, not 0"),
    ({"simd": 0}, "simd must be a positive integer, not 0"),
    ({"simd": 2}, "simd must be 1 or the 4 taps, not 2"),
    ({"simd": 4, "order": "outer"}, "simd must be 1 in outer order, not 4"),
    ({"output": BIPOLAR}, "output of a max of uint4 must not be bipolar"),
])
def test_parameters_say_what_must_hold(change, message):
    parameters = {"kind": "max", "taps": 4, "words": 1, "lanes": 2, "input": IntType(4), "output": IntType(4)}
    with pytest.raises(ValueError, match=f"^{message}$"):
        PoolParameters(**{**parameters, **change})
