"""Weighted sums of streams against NumPy, each input stalling by itself, in every cycle as scheduled."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.join import AddParameters, AddUnit, signed_digits
from gatewright.hdl.number import BIPOLAR, IntType

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
types = st.builds(IntType, st.integers(1, 4), st.booleans()) | st.just(BIPOLAR)
multipliers = st.integers(-40, 40).filter(bool)


@settings(max_examples=80)
@given(kinds=st.lists(types, min_size=1, max_size=3), lanes=st.integers(1, 3), words=st.integers(1, 5), data=st.data(),
       accepts=stalls, seed=st.integers(0, 2**32 - 1))
def test_sum_is_numpys(check_unit, kinds, lanes, words, data, accepts, seed):
    rng = np.random.default_rng(seed)
    factors = tuple(data.draw(multipliers) for _ in kinds)
    x = [rng.choice([-1, 1], size=(3 * words, lanes)) if kind.bipolar
         else rng.integers(kind.lo, kind.hi + 1, size=(3 * words, lanes)) for kind in kinds]
    ends = [sorted((factor * kind.lo, factor * kind.hi)) for factor, kind in zip(factors, kinds, strict=True)]
    output = IntType.spanning(sum(lo for lo, _ in ends), sum(hi for _, hi in ends))
    unit = AddUnit(AddParameters(tuple(kinds), factors, lanes, output, words))
    sent = {f"i{k}": check_unit.to_words((each + 1) // 2 if kind.bipolar else each, lanes, kind.bits, rng)
            for k, (each, kind) in enumerate(zip(x, kinds, strict=True))}
    got = check_unit(unit, sent, 3, {port: data.draw(stalls) for port in sent}, accepts)
    expected = sum(factor * each for factor, each in zip(factors, x, strict=True))
    assert np.array_equal(check_unit.from_words(got["o"], lanes, lanes, output.bits, output.signed), expected)


@given(st.integers(-(2**20), 2**20))
def test_signed_digits_are_the_number_and_no_two_are_neighbours(n):
    digits = signed_digits(n)
    assert sum(digit << shift for shift, digit in digits) == n
    assert all(after - before > 1 for (before, _), (after, _) in pairwise(digits))


def test_two_plain_inputs_take_one_cycle_and_a_multiplier_of_seven_two():
    kind = IntType(4, signed=True)
    assert AddParameters((kind, kind), (1, 1), 2, IntType(5, signed=True), 1).schedule.stages == 1
    assert AddParameters((kind, kind), (7, 1), 2, IntType(8, signed=True), 1).schedule.stages == 2


@pytest.mark.parametrize(("change", "message"), [
    ({"multipliers": (1,)}, r"multipliers must be integers other than 0, one for each of 2 inputs, not \(1,\)"),
    ({"multipliers": (1, 0)}, r"multipliers must be integers other than 0, one for each of 2 inputs, not \(1, 0\)"),
    ({"output": BIPOLAR}, "output of a sum must not be bipolar"),
    ({"words": 0}, "words must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(change, message):
    parameters = {"inputs": (BIPOLAR, BIPOLAR), "multipliers": (1, 1), "lanes": 2, "output": IntType(3, signed=True),
                  "words": 1}
    with pytest.raises(ValueError, match=f"^{message}$"):
        AddParameters(**{**parameters, **change})
