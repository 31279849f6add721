"""The matrix-vector unit against NumPy (values) and against its schedule (cycles), under random stalls."""

import numpy as np
import pytest
from amaranth.back import verilog
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.hdl.dot import LANES
from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.hdl.number import BIPOLAR, IntType

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
stalls = st.tuples(patterns, patterns)
seeds = st.integers(0, 2**32 - 1)
types = st.builds(IntType, st.integers(1, 16), st.booleans())
NO_STALLS = [1], [1]


def signs(rng, size):
    return rng.choice([-1, 1], size=size)


def ternary(rng, size):
    return rng.choice([-1, 0, 0, 1], size=size)


def powers(rng, size):
    return rng.choice([-1, 0, 1], size=size) << rng.integers(0, 6, size=size)


def two_magnitudes(rng, size):
    return rng.choice([-3_000_001, 0, 0, 12_345], size=size)


def integers(bits, is_signed):
    kind = IntType(bits, is_signed)
    return lambda rng, size: rng.integers(kind.lo, kind.hi + 1, size=size)


WEIGHTS = {"xnor": [signs], "gated xnor": [signs, ternary], "add": [signs, ternary], "shift": [powers],
           "levels": [two_magnitudes], "multiply": [integers(16, True), integers(5, True), integers(3, False)],
           "planes": [signs, ternary, integers(5, True), integers(3, False)],
           "serial": [signs, ternary, integers(4, True), integers(2, False)]}


def activations(rng, kind, size):
    return signs(rng, size) if kind.bipolar else rng.integers(kind.lo, kind.hi + 1, size=size)


def products(frames, weights, groups):
    """What a unit gives: [frames, positions * rows] from frames [frames, positions, groups * columns]."""
    count, positions, _ = frames.shape
    vectors = frames.reshape(count, positions, groups, 1, -1)
    return (vectors * weights.reshape(groups, -1, weights.shape[1])).sum(axis=-1).reshape(count, -1)


def run(check_integers, unit, frames, stalls, rng):
    p = unit.parameters
    return check_integers(unit, frames.reshape(len(frames), -1), p.columns, p.rows // p.groups, stalls, rng)


@pytest.mark.parametrize("lane", LANES)
@settings(max_examples=25)
@given(rows=st.integers(1, 6), columns=st.integers(1, 11), groups=st.integers(1, 3), positions=st.integers(1, 2),
       data=st.data(), kind=types, levels=st.integers(0, 3), lut=st.sampled_from([4, 6]), degree=st.integers(0, 3),
       stalls=stalls, seed=seeds)
def test_every_lane_multiplies_like_numpy(check_integers, lane, rows, columns, groups, positions, data, kind, levels,
                                          lut, degree, stalls, seed):
    rng = np.random.default_rng(seed)
    pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    kind = BIPOLAR if lane in ("xnor", "gated xnor") or (
        lane in ("planes", "levels") and data.draw(st.booleans())) else kind
    make = data.draw(st.sampled_from(WEIGHTS[lane]))
    if lane == "add" and data.draw(st.booleans()):
        kind, make = BIPOLAR, integers(7, True)
    weights = make(rng, (rows * groups, columns))
    assume((lane != "levels" or weights.any()) and (lane != "serial" or kind.bits > 1))
    dots = products(frames := activations(rng, kind, (3, positions, groups * columns)), weights, groups)
    thresholds, output, base = None, None, 0
    if levels:
        span = max(1, int(np.abs(dots).max()))
        thresholds = rng.integers(-span - 2, span + 3, size=(rows * groups, levels))
        base = data.draw(st.integers(-3, 2))
        output = IntType.spanning(base, base + levels)
    multiplier = data.draw(st.sampled_from([None, (25, 18), (18, 18)]))
    unit = MatrixVectorUnit(MatrixVectorParameters(
        weights, pe, simd, thresholds, lut, input=kind, output=output, base=base, groups=groups, positions=positions,
        lane=lane, multiplier=multiplier, pipeline=degree))
    p = unit.parameters
    assert p.arithmetic.kind == lane
    cycles = groups * -(-rows // pe) * -(-columns // simd) * (kind.bits if lane == "serial" else 1)
    assert p.phases == cycles
    assert unit.schedule.phases == cycles * positions
    if levels:
        met = dots.reshape(3, positions, -1, 1) >= thresholds
        dots = (base + met.sum(axis=-1)).reshape(3, -1)
    assert run(check_integers, unit, frames, stalls, rng).tolist() == dots.tolist()


@settings(max_examples=40)
@given(rows=st.integers(1, 12), columns=st.integers(1, 20), data=st.data(), with_thresholds=st.booleans(),
       lut=st.sampled_from([4, 6]), degree=st.integers(0, 3), stalls=stalls, seed=seeds)
def test_binary_rows_give_signs_or_dot_products(check_integers, rows, columns, data, with_thresholds, lut, degree,
                                                stalls, seed):
    rng = np.random.default_rng(seed)
    pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    weights = signs(rng, (rows, columns))
    # From met by every dot product to met by none.
    thresholds = rng.integers(-columns - 2, columns + 3, size=rows) if with_thresholds else None
    frames = signs(rng, (4, columns))
    unit = MatrixVectorUnit(MatrixVectorParameters(weights, pe, simd, thresholds, lut, pipeline=degree))
    assert unit.parameters.arithmetic.kind == "xnor"
    dots = frames @ weights.T
    expected = np.where(dots >= thresholds, 1, -1) if with_thresholds else dots
    assert run(check_integers, unit, frames, stalls, rng).tolist() == expected.tolist()


@pytest.mark.parametrize(("weights", "kind", "lane"), [
    (signs, BIPOLAR, "xnor"), (ternary, BIPOLAR, "gated xnor"), (integers(4, True), BIPOLAR, "planes"),
    (signs, IntType(4), "planes"), (signs, IntType(5), "add"), (ternary, IntType(2, signed=True), "planes"),
    (ternary, IntType(3), "add"), (two_magnitudes, BIPOLAR, "levels"), (two_magnitudes, IntType(4), "levels"),
    (integers(4, True), IntType(4), "planes"), (integers(8, True), IntType(8), "multiply"),
    (powers, IntType(8), "shift"),
])
def test_the_lane_follows_from_the_integers_found(weights, kind, lane):
    found = weights(np.random.default_rng(0), (64, 64))
    assert MatrixVectorParameters(found, 1, 1, input=kind).arithmetic.kind == lane


@pytest.mark.parametrize(("weights", "kind", "expected"), [
    ([[1, -1, 1]], BIPOLAR, "int3"), ([[3, 0, 5]], IntType(4), "uint7"), ([[-1, 1]], IntType(2, signed=True), "int3"),
    ([[-128] * 4], IntType(8, signed=True), "int18"), ([[0, 0]], IntType(4), "uint1"),
])
def test_accumulators_are_as_wide_as_the_weights_make_them(weights, kind, expected):
    p = MatrixVectorParameters(np.array(weights), 1, 1, input=kind)
    assert str(p.accumulator) == str(p.output) == expected


def test_a_caller_who_knows_the_activations_gets_narrower_accumulators(check_integers):
    """Padded bipolar activations, of type int2, are never -2."""
    rng = np.random.default_rng(5)
    weights, frames = signs(rng, (4, 31)), rng.integers(-1, 2, size=(6, 31))
    for lane in ("planes", "add", "serial"):
        unit = MatrixVectorUnit(MatrixVectorParameters(weights, 2, 8, input=IntType(2, signed=True), lane=lane,
                                                       accumulator=IntType(6, signed=True)))
        assert str(unit.parameters.output) == "int6"
        assert run(check_integers, unit, frames, NO_STALLS, rng).tolist() == (frames @ weights.T).tolist()


@pytest.mark.parametrize(("weight", "kind", "multiplier", "multipliers"), [
    (IntType(4, signed=True), IntType(4), (18, 18), 4), (IntType(5, signed=True), IntType(5, signed=True), (18, 18), 4),
    (IntType(8, signed=True), IntType(8, signed=True), (25, 18), 4), (IntType(4), IntType(5), (16, 16), 4),
    (IntType(8, signed=True), IntType(8), (18, 18), 6), (IntType(4, signed=True), IntType(4), None, 6),
], ids=str)
def test_two_products_share_a_multiplier_where_both_fit(check_integers, weight, kind, multiplier, multipliers):
    """The ends of both ranges, in all combinations, on three rows of two columns."""
    rng = np.random.default_rng(3)
    weights = np.array(np.meshgrid(*[[weight.lo, weight.hi]] * 2)).reshape(2, -1).T[:3]
    for rows in (weights, -weights[::-1] if weight.signed else weights[::-1]):
        frames = np.array(np.meshgrid(*[[kind.lo, 0, kind.hi]] * 2)).reshape(2, -1).T
        unit = MatrixVectorUnit(MatrixVectorParameters(np.clip(rows, weight.lo, weight.hi), 3, 2, input=kind,
                                                       lane="multiply", multiplier=multiplier))
        assert verilog.convert(unit, emit_src=False).count(" * ") == multipliers
        p = unit.parameters
        assert run(check_integers, unit, frames, NO_STALLS, rng).tolist() == (frames @ p.weights.T).tolist()


@pytest.mark.parametrize(("pe", "simd"), [(1, 1), (3, 4), (7, 5), (8, 16)])
def test_no_bubbles_between_frames(check_unit, pe, simd):
    """The next frame's first word enters in the cycle after this frame's last work cycle."""
    rng = np.random.default_rng(0)
    unit = MatrixVectorUnit(MatrixVectorParameters(signs(rng, (8, 16)), pe, simd))
    per_frame = unit.parameters.column_folds
    _, taken_at, _ = check_unit.simulate(unit, [0] * per_frame * 4, [1], [1], 3 * unit.parameters.row_folds)
    assert taken_at[per_frame] - taken_at[0] == unit.schedule.phases
    assert taken_at[2 * per_frame] - taken_at[per_frame] == unit.schedule.phases


@pytest.mark.parametrize(("changes", "message"), [
    ({"pe": 5}, "PE must be at most the 4 rows of the matrix, not 5"),
    ({"pe": 3, "groups": 2}, "PE must be at most the 2 rows of each group, not 3"),
    ({"simd": 9}, "SIMD must be at most the 4 columns of the matrix, not 9"),
    ({"pe": 0}, "PE must be a positive integer, not 0"),
    ({"groups": 3}, "groups must divide the 4 rows of the matrix, not 3"),
    ({"weights": np.ones(4)}, r"weights must be a matrix \[N, K\], not an array of shape \(4,\)"),
    ({"thresholds": np.zeros(3)}, r"thresholds must be of shape \(4,\) or \(4, 1 to 3\), not \(3,\)"),
    ({"thresholds": np.zeros((4, 2))}, "a bipolar output must have one threshold, not 2"),
    ({"lane": "tiny"},
     "lane must be one of xnor, gated xnor, planes, add, shift, multiply, levels, serial, not 'tiny'"),
    ({"lane": "multiply"}, "a multiply lane cannot multiply bipolar by these weights, 1 to 1"),
    ({"lane": "serial", "input": IntType(1)}, "a serial lane cannot multiply uint1 by these weights, 1 to 1"),
    ({"memory": "tape"}, "memory must be one of rom, streamed, loadable, not 'tape'"),
    ({"lane": "serial", "input": IntType(4), "memory": "streamed"},
     "a serial lane reads each weight once for every bit: its memory must not be 'streamed'"),
    ({"weight": IntType(4)}, "weight is what weights that are loaded may be: only with memory 'loadable'"),
])
def test_parameters_say_what_must_hold(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MatrixVectorParameters(**({"weights": np.ones((4, 4)), "pe": 1, "simd": 1} | changes))
