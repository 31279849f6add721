"""Every unit against NumPy (values) and against its schedule (cycles), under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
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


@settings(max_examples=80)
@given(rows=st.integers(1, 12), columns=st.integers(1, 20), data=st.data(), with_thresholds=st.booleans(),
       lut=st.sampled_from([4, 6]), offers=stalls, accepts=stalls, seed=seeds)
def test_matrix_vector_unit(check_unit, rows, columns, data, with_thresholds, lut, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    weights = rng.choice([-1, 1], size=(rows, columns))
    # From met by every dot product to met by none.
    thresholds = rng.integers(-columns - 2, columns + 3, size=rows) if with_thresholds else None
    frames = rng.choice([-1, 1], size=(4, columns))
    unit = MatrixVectorUnit(MatrixVectorParameters(weights, pe, simd, thresholds, lut))
    assert unit.schedule.phases == -(-rows // pe) * -(-columns // simd)
    words = [w for frame in frames for w in in_words((frame + 1) // 2, simd, 1, check_unit.pack, rng)]
    got = check_unit(unit, words, len(frames), offers, accepts)
    dots = frames @ weights.T
    if with_thresholds:
        assert out_frames(got, rows, pe, 1, check_unit.unpack) == (dots >= thresholds).astype(int).tolist()
    else:
        bits = unit.parameters.accumulator_bits
        assert out_frames(got, rows, pe, bits, check_unit.unpack, signed=True) == dots.tolist()


@pytest.mark.parametrize(("pe", "simd"), [(1, 1), (3, 4), (7, 5), (8, 16)])
def test_matrix_vector_unit_has_no_bubbles_between_frames(check_unit, pe, simd):
    """The next frame's first word enters in the cycle after this frame's last work cycle."""
    rng = np.random.default_rng(0)
    unit = MatrixVectorUnit(MatrixVectorParameters(rng.choice([-1, 1], size=(8, 16)), pe, simd))
    per_frame = unit.parameters.column_folds
    _, taken_at, _ = check_unit.simulate(unit, [0] * per_frame * 4, [1], [1], 3 * unit.parameters.row_folds)
    assert taken_at[per_frame] - taken_at[0] == unit.schedule.phases
    assert taken_at[2 * per_frame] - taken_at[per_frame] == unit.schedule.phases


@pytest.mark.parametrize(("make", "message"), [
    (lambda: MatrixVectorParameters(np.ones((4, 4)), 5, 1), "PE must be at most the 4 rows of the matrix, not 5"),
    (lambda: MatrixVectorParameters(np.ones((4, 4)), 1, 9), "SIMD must be at most the 4 columns of the matrix, not 9"),
    (lambda: MatrixVectorParameters(np.ones((4, 4)), 0, 1), "PE must be a positive integer, not 0"),
    (lambda: MatrixVectorParameters(np.zeros((4, 4)), 1, 1),
     r"weights must be a matrix \[N, K\] of -1 and \+1, not an array of shape \(4, 4\)"),
    (lambda: MatrixVectorParameters(np.ones((4, 4)), 1, 1, np.zeros(3)),
     r"thresholds must be of shape \(4,\), not \(3,\)"),
    (lambda: WidthParameters(4, 0, 1), "lanes_in must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
