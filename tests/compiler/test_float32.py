"""The float32 expression as data: what it computes, and which way it goes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.compiler.float32 import MONOTONE, OPERATIONS, ROUNDINGS, Chain, Fork, Operation, Steps, Uniform

CONSTANTS = st.floats(-1e3, 1e3, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)


def test_every_step_is_float32():
    chain = Chain(np.array([np.float64(np.float32(0.1))])).then("sub", [1, 2]).then("div", 3).then("rsub", [0.5, 0.25])
    x = np.float32(7 * np.float64(np.float32(0.1)))
    expected = [[np.float32(0.5) - (x - np.float32(1)) / np.float32(3),
                 np.float32(0.25) - (x - np.float32(2)) / np.float32(3)]]
    assert chain(np.array([[7]])).dtype == np.float32
    assert chain(np.array([[7]])).tolist() == expected
    assert [len(step[0]) for step in chain.trace(np.array([[7]]))] == [1, 2, 2, 2]
    np.testing.assert_array_equal(chain.trace(np.array([[7]]))[-1], chain(np.array([[7]])))


def test_fractions_round_once():
    codes = np.arange(256)
    np.testing.assert_array_equal(Chain(Fraction(1, 255))(codes), (codes / 255).astype(np.float32))


def test_divisor_is_applied_before_the_only_rounding():
    """As the mean of 49 codes: 49 / 49 is 1, which the nearest double of 1 / 49 would miss for other counts."""
    chain = Chain(np.array([0.25, 0.5]), divisor=49)
    sums = np.arange(0, 49 * 16, 7)[:, None]
    np.testing.assert_array_equal(chain(sums), (sums * np.array([0.25, 0.5]) / 49).astype(np.float32))
    np.testing.assert_array_equal(chain(np.arange(16)[:, None] * 49)[:, 0], np.arange(16) / 4)
    np.testing.assert_array_equal(Chain(np.array([3.0]), divisor=7)(sums), Chain(Fraction(3, 7))(sums))
    assert chain.then("mul", 2).divisor == 49


def test_unknown_operation():
    with pytest.raises(ValueError, match=r"operation must be one of add, sub, .*, cos, not 'pow'"):
        Operation("pow", np.ones(1))


def test_constants_are_frozen():
    with pytest.raises(ValueError, match="read-only"):
        Operation("add", np.ones(2)).constant[0] = 2


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(sorted(MONOTONE - {"cube"})), CONSTANTS), max_size=5))
def test_slope_is_the_direction(steps):
    """A cube is left out: the second one leaves the range of float32."""
    chain = Chain(np.array([0.1]))
    for kind, constant in steps:
        constant = abs(constant) if kind in ("leaky", "elu", "celu") else constant
        chain = chain.then(kind, 1 if kind in ("div", "celu") and constant == 0 else constant)
    assert chain.monotone
    change = np.diff(chain(np.arange(-200, 200)))
    slope = int(chain.slope()[0])
    assert (change * slope >= 0).all()
    if slope == 0:
        assert (change == 0).all()


@pytest.mark.parametrize("kind", ["sigmoid", "tanh", "erf", "softplus", "softsign", "elu", "celu", "cube"])
def test_curves_never_turn_back(kind):
    """Neighbouring floats, where the float64 result may waver by a bit, keep their order once rounded."""
    starts = np.float32([-90, -17.3, -9.01, -3.8, -1, -0.5, -0.151, -1e-3, 1e-30, 0.149, 0.151, 0.5, 1, 3.9, 9, 17.3])
    steps = np.arange(4096, dtype=np.int32)
    x = np.sort((starts.view(np.int32)[:, None] + steps).view(np.float32), axis=1)
    assert (np.diff(Operation(kind, np.ones(1))(x), axis=1) >= 0).all()


@pytest.mark.parametrize("kind", sorted(set(OPERATIONS) - MONOTONE))
def test_what_is_not_monotone_has_no_slope(kind):
    chain = Chain(np.array([0.1])).then(kind, 1)
    assert not chain.monotone
    with pytest.raises(ValueError, match="a chain without a direction: one of its operations is not monotone"):
        chain.slope()
    values = chain(np.arange(-60, 60))
    assert (np.diff(values) < 0).any()
    assert (np.diff(values) > 0).any()


def test_negative_slopes_are_not_monotone():
    assert Chain(np.array([1.0])).then("leaky", [0.5, 0]).monotone
    assert not Chain(np.array([1.0])).then("leaky", [0.5, -0.5]).monotone


CURVES = {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "tanh": math.tanh, "erf": math.erf,
    "softsign": lambda x: x / (1 + abs(x)), "sin": math.sin, "cos": math.cos,
    "elu": lambda x: math.expm1(min(x, 0)) + max(x, 0), "celu": lambda x: math.expm1(min(x, 0)) + max(x, 0),
    "softplus": lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))), "cube": lambda x: x**3, "square": lambda x: x**2,
    "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "silu": lambda x: x / (1 + math.exp(-x)), "hardswish": lambda x: x * min(max(x / 6 + 0.5, 0), 1),
}


@pytest.mark.parametrize("kind", list(CURVES))
def test_curves_are_those_of_the_mathematical_library(kind):
    """Ours round to the same float32 as the platform's float64 functions, whose last bits may differ."""
    x = np.concatenate([np.linspace(-4, 4, 4001), np.linspace(-40, 40, 801) if "gelu" not in kind else []])
    x = x.astype(np.float32)
    expected = np.array([CURVES[kind](float(v)) for v in x]).astype(np.float32)
    np.testing.assert_array_equal(Operation(kind, np.ones(1))(x), expected)


def test_a_fork_puts_two_expressions_of_one_value_together():
    x = Chain(np.array([0.25])).then("add", [1, 2])
    gate = x.joined("mul", x.then("sigmoid").then("sub", [0.5, 0]))
    assert gate is not None
    start = np.float32(3 * 0.25) + np.float32([1, 2])
    sigmoid = Operation("sigmoid", np.zeros(1))(start)
    assert gate(np.array([[3]])).tolist() == [(start * (sigmoid - np.float32([0.5, 0]))).tolist()]
    assert [step.form for step in gate.operations] == ["add", "mul(; sigmoid sub)"]
    assert (gate.size, gate.monotone) == (4, False)
    assert [values.shape for values in gate.trace(np.array([[3]]))] == [(1, 1), *[(1, 2)] * 4]
    np.testing.assert_array_equal(gate.trace(np.array([[3]]))[-1], gate(np.array([[3]])))
    assert [constant.tolist() for constant in gate.constants] == [[0.25], [1, 2], [0], [0.5, 0]]
    turned = gate.moved(lambda constant: constant[::-1])
    assert turned(np.array([[3]])).tolist() == [gate(np.array([[3]]))[0, ::-1].tolist()]


def test_expressions_that_start_elsewhere_are_not_put_together():
    assert Chain(np.array([0.25])).joined("mul", Chain(np.array([0.5]))) is None
    assert Chain(np.array([0.25])).joined("mul", Chain(np.array([0.25]), divisor=3)) is None


def test_unknown_fork():
    with pytest.raises(ValueError, match=r"a fork's kind must be one of add, sub, mul, div, max, min, not 'tanh'"):
        Fork("tanh", (), ())


def test_pieces():
    x = np.float32([-2.5, -0.5, 0, 0.5, 1.5])
    assert Operation("leaky", np.array([0.25]))(x).tolist() == [-0.625, -0.125, 0, 0.5, 1.5]
    assert Operation("round", np.zeros(1))(x).tolist() == [-2, 0, 0, 0, 2]
    assert Operation("sign", np.zeros(1))(x).tolist() == [-1, -1, 0, 1, 1]
    assert Operation("elu", np.array([2]))(np.float32([-50, 0, 3])).tolist() == [-2, 0, 3]
    assert Operation("celu", np.array([2]))(np.float32([-500, 0, 3])).tolist() == [-2, 0, 3]


@pytest.mark.parametrize("rounding", list(ROUNDINGS))
def test_uniform_rounds_as_qonnx_does(rounding):
    from qonnx.custom_op.general.intquant import int_quant

    x = np.linspace(-9, 9, 721).astype(np.float32)
    quantiser = Uniform(np.float32([0.5]), -7, 7, rounding)
    mode = "DOWN" if rounding == "ROUND_TO_ZERO" else rounding
    expected = int_quant(x, np.float32(0.5), np.float32(0), np.float32(4), True, True, mode)
    np.testing.assert_array_equal(quantiser(x) * np.float32(0.5), expected)
    np.testing.assert_array_equal(quantiser.steps(x), quantiser(x) + 7)
    assert quantiser.levels == 14


@pytest.mark.parametrize("rounding", ["FLOOR", "ROUND", "CEIL"])
def test_shift_truncates_as_qonnx_does(rounding):
    from qonnx.custom_op.general.trunc import trunc_v1

    x = np.arange(-1000, 1000).astype(np.float32) * np.float32(0.13)
    quantiser = Uniform(np.float32([0.25]), -128, 127, rounding, shift=3)
    expected = trunc_v1(x, np.float32(0.25), np.float32(0), np.float32(11), np.float32(8), rounding)
    np.testing.assert_array_equal(quantiser(x) * np.float32(0.25), expected)


def test_steps_count_thresholds_channel_by_channel():
    quantiser = Steps(np.float32([[-1, 0, 0, 2], [0, 1, 2, 3]]), lo=-1)
    assert (quantiser.lo, quantiser.hi, quantiser.levels) == (-1, 3, 4)
    assert quantiser(np.float32([[-1.5, -1], [-1, 0], [0, 1], [5, 5]])).tolist() == [
        [-1, -1], [0, 0], [2, 1], [3, 3]]
    one = Steps(np.float32([[0, 1]]))
    assert one(np.float32([[-1, 0.5, 1]])).tolist() == [[0, 1, 2]]
    assert one.steps(np.float32([[-1, 0.5, 1]])).tolist() == [[0, 1, 2]]


def test_a_ratio_beyond_float32_is_clipped():
    quantiser = Uniform(np.float32([1e-30]), -8, 7)
    assert quantiser(np.float32([[-1e20], [0], [1e20]])).ravel().tolist() == [-8, 0, 7]
