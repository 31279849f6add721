"""The depthwise unit against NumPy (values) and against its schedule (cycles), under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.depthwise import DepthwiseParameters, DepthwiseUnit
from gatewright.hdl.number import BIPOLAR, IntType

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
types = st.builds(IntType, st.integers(1, 16), st.booleans()) | st.just(BIPOLAR)
WEIGHTS = {
    "signs": lambda rng, size: rng.choice([-1, 1], size=size),
    "ternary": lambda rng, size: rng.choice([-1, 0, 1], size=size),
    "powers": lambda rng, size: rng.choice([-1, 0, 1], size=size) << rng.integers(0, 9, size=size),
    "int3": lambda rng, size: rng.integers(-4, 4, size=size),
    "int8": lambda rng, size: rng.integers(-128, 128, size=size),
    "levels": lambda rng, size: rng.choice([-999, 0, 1000], size=size),
}


@settings(max_examples=100)
@given(channels=st.integers(1, 7), taps=st.integers(1, 9), positions=st.integers(1, 3), data=st.data(), kind=types,
       make=st.sampled_from(sorted(WEIGHTS)), levels=st.integers(0, 3), lut=st.sampled_from([4, 6]),
       stalls=st.tuples(patterns, patterns), seed=st.integers(0, 2**32 - 1))
def test_each_channel_sums_its_own_taps(check_integers, channels, taps, positions, data, kind, make, levels, lut,
                                        stalls, seed):
    rng = np.random.default_rng(seed)
    lanes, simd = data.draw(st.integers(1, channels)), data.draw(st.sampled_from([1, taps]))
    weights = WEIGHTS[make](rng, (channels, taps))
    lane = data.draw(st.sampled_from([None, "planes"] + ["add"] * (kind.bipolar or make in ("signs", "ternary"))))
    frames = (rng.choice([-1, 1], size=(3, positions, channels, taps)) if kind.bipolar
              else rng.integers(kind.lo, kind.hi + 1, size=(3, positions, channels, taps)))
    sums = (frames * weights).sum(axis=-1)
    thresholds, output, base = None, None, 0
    if levels:
        span = int(np.abs(sums).max()) + 2
        thresholds, base = rng.integers(-span, span + 1, size=(channels, levels)), data.draw(st.integers(-3, 2))
        output = IntType.spanning(base, base + levels)
        sums = base + (sums[..., None] >= thresholds).sum(axis=-1)
    unit = DepthwiseUnit(DepthwiseParameters(weights, lanes, kind, thresholds, output, base, positions, lane=lane,
                                             lut=lut, simd=simd, pipeline=data.draw(st.integers(0, 3))))
    assert unit.schedule.phases == positions * -(-channels // lanes) * (taps // simd)
    # Channel words outer, taps inner; a word's padding lanes mean nothing, so they are filled up here.
    padded = np.zeros((3, positions, -(-channels // lanes) * lanes, taps), dtype=np.int64) + kind.hi
    padded[:, :, :channels] = frames
    arriving = padded.reshape(3, positions, -1, lanes, taps).transpose(0, 1, 2, 4, 3).reshape(3, -1)
    got = check_integers(unit, arriving, simd * lanes, channels, stalls, rng)
    assert got.tolist() == sums.reshape(3, -1).tolist()


def test_no_bubbles_between_words_positions_and_frames(check_unit):
    unit = DepthwiseUnit(DepthwiseParameters(np.ones((6, 9)), 4, IntType(4), positions=2))
    _, taken_at, _ = check_unit.simulate(unit, [0] * 108, [1], [1], 8)
    assert np.diff(taken_at).tolist() == [1] * (len(taken_at) - 1)


@pytest.mark.parametrize(("changes", "message"), [
    ({"weights": np.ones(4)}, r"weights must be of shape \[C, taps\], not \(4,\)"),
    ({"lanes": 5}, "lanes must be at most the 4 channels, not 5"),
    ({"positions": 0}, "positions must be a positive integer, not 0"),
    ({"simd": 3}, "simd must be 1 or the 9 taps, not 3"),
    ({"lane": "serial"}, "lane must be one that takes a whole activation a cycle, not 'serial'"),
    ({"thresholds": np.zeros((4, 4))}, r"thresholds must be of shape \(4,\) or \(4, 1 to 3\), not \(4, 4\)"),
])
def test_parameters_say_what_must_hold(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        DepthwiseParameters(**({"weights": np.ones((4, 9)), "lanes": 2, "input": IntType(4)} | changes))
