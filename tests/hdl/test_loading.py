"""Thresholds, tables and depthwise weights that can be loaded: as built at first, then as the words make them."""

import warnings

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.depthwise import DepthwiseParameters, DepthwiseUnit
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.table import TableParameters, TableUnit
from gatewright.hdl.threshold import ThresholdParameters, ThresholdUnit

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=16).map(lambda bits: [*bits, 1])
stalls = st.tuples(patterns, patterns)
sizes = {"channels": st.integers(1, 9), "lanes": st.integers(1, 4), "pixels": st.integers(1, 2), "stalls": stalls,
         "seed": st.integers(0, 2**32 - 1)}


def reloaded(check_unit, unit, trainings, words, stalls):
    """What leaves for ``words`` after each of the trainings has been loaded: integers ``[pixels, channels]`` each."""
    p, found = unit.parameters, []
    lanes, per_word = len(unit.o.payload), sum(unit.schedule.words_out) * len(words) // sum(unit.schedule.words_in)

    async def bench(ctx):
        for other in trainings:
            for word in other.load_words:
                ctx.set(unit.load.payload, word)
                ctx.set(unit.load.valid, 1)
                assert ctx.get(unit.load.ready)
                await ctx.tick()
            ctx.set(unit.load.valid, 0)
            left, given, held, cycle = list(words), [], False, 0
            while len(given) < per_word:
                held = bool(left) and (held or bool(stalls[0][cycle % len(stalls[0])]))
                ready, cycle = stalls[1][cycle % len(stalls[1])], cycle + 1
                ctx.set(unit.i.valid, held)
                ctx.set(unit.o.ready, ready)
                if held:
                    ctx.set(Value.cast(unit.i.payload), left[0])
                    if ctx.get(unit.i.ready):
                        left.pop(0)
                        held = False
                if ready and ctx.get(unit.o.valid):
                    given.append(ctx.get(Value.cast(unit.o.payload)))
                await ctx.tick()
            ctx.set(unit.o.ready, 0)
            integers = check_unit.from_words(given, p.channels, lanes, p.output.bits, p.output.signed)
            found.append(2 * integers - 1 if p.output.bipolar else integers)

    with warnings.catch_warnings():
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    return found


def check(check_unit, check_integers, without_load, kind, trainings, frames, pixel, expected, stalls, rng):
    """Unloaded, to the cycle; then loaded with the second, the first and the second, from the same words each time."""
    first, second = trainings
    assert (first.load_bits, len(first.load_words)) == (second.load_bits, len(second.load_words))
    assert max(max(p.load_words) for p in trainings).bit_length() <= first.load_bits
    assert first.schedule.stages == second.schedule.stages
    got = check_integers(without_load(kind(first)), frames.reshape(len(frames), -1), pixel, first.channels, stalls, rng)
    assert got.tolist() == expected[0].reshape(len(frames), -1).tolist()
    unit = kind(first)
    bits = (frames + 1) // 2 if first.input.bipolar else frames
    words = check_unit.to_words(bits.reshape(-1, pixel), len(unit.i.payload), first.input.bits, rng)
    found = reloaded(check_unit, unit, (second, first, second), words, stalls)
    assert [each.tolist() for each in found] == [expected[k].reshape(-1, first.channels).tolist() for k in (1, 0, 1)]


@settings(max_examples=25)
@given(levels=st.sampled_from([1, 2, 3, 4, 7, 9, 15]), bits=st.integers(1, 9), signed=st.booleans(),
       base=st.integers(-9, 3), pipeline=st.integers(0, 1), **sizes)
def test_thresholds_of_any_number_and_direction(check_unit, check_integers, without_load, channels, lanes, pixels,
                                                levels, bits, signed, base, pipeline, stalls, seed):
    rng, kind = np.random.default_rng(seed), IntType(bits, signed)
    output = IntType.spanning(base, base + levels)
    trainings, expected = [], []
    frames = rng.integers(kind.lo, kind.hi + 1, size=(3, pixels, channels))
    for _ in range(2):
        thresholds = rng.integers(kind.lo - 1, kind.hi + 2, size=(channels, levels))
        falling = rng.random(channels) < 0.5
        trainings.append(ThresholdParameters(thresholds, falling, lanes, kind, output, base, pixels, loadable=True,
                                             pipeline=pipeline))
        a = frames[..., None]
        expected.append(base + np.where(falling[:, None], a <= thresholds, a >= thresholds).sum(axis=-1))
    check(check_unit, check_integers, without_load, ThresholdUnit, trainings, frames, channels, expected, stalls, rng)


@settings(max_examples=20)
@given(kind=st.builds(IntType, st.integers(1, 6), st.booleans()) | st.just(BIPOLAR),
       output=st.sampled_from([BIPOLAR, IntType(3), IntType(5, signed=True)]), shared=st.booleans(), **sizes)
def test_tables(check_unit, check_integers, without_load, channels, lanes, pixels, kind, output, shared, stalls, seed):
    rng = np.random.default_rng(seed)
    first, last = (-1, 1) if kind.bipolar else sorted(rng.integers(kind.lo, kind.hi + 1, size=2).tolist())
    size = (1 if shared else channels, last - first + 1)
    frames = rng.choice(np.arange(first, last + 1, 2 if kind.bipolar else 1), size=(3, pixels, channels))
    tables = [rng.choice([-1, 1], size=size) if output.bipolar else rng.integers(output.lo, output.hi + 1, size=size)
              for _ in range(2)]
    tables[0][:] = tables[0][0]  # equal rows today need not be equal tomorrow
    trainings = [TableParameters(table, first, channels, lanes, kind, output, pixels, loadable=True)
                 for table in tables]
    expected = [table[0 if shared else np.arange(channels), frames - first] for table in tables]
    check(check_unit, check_integers, without_load, TableUnit, trainings, frames, channels, expected, stalls, rng)


@settings(max_examples=25)
@given(taps=st.integers(1, 5), levels=st.integers(0, 3), data=st.data(),
       weight=st.sampled_from([BIPOLAR, (-1, 1), (-7, 7), IntType(3, signed=True)]),
       kind=st.sampled_from([BIPOLAR, IntType(2), IntType(5, signed=True), IntType(9)]), **sizes)
def test_depthwise_weights(check_unit, check_integers, without_load, channels, lanes, pixels, taps, levels, data,
                           weight, kind, stalls, seed):
    rng, lanes = np.random.default_rng(seed), min(lanes, channels)
    lanes = max(lane for lane in range(1, lanes + 1) if channels % lane == 0)
    least, greatest = weight if isinstance(weight, tuple) else (weight.lo, weight.hi)
    frames = (rng.choice([-1, 1], size=(3, pixels, channels, taps)) if kind.bipolar
              else rng.integers(kind.lo, kind.hi + 1, size=(3, pixels, channels, taps)))
    trainings, expected = [], []
    for _ in range(2):
        weights = rng.choice([-1, 1] if weight == BIPOLAR else np.arange(least, greatest + 1), size=(channels, taps))
        sums = (frames * weights).sum(axis=-1)
        span = int(np.abs(sums).max()) + 2
        thresholds = rng.integers(-span, span, size=(channels, levels)) if levels else None
        output = IntType(2) if levels else None
        trainings.append(DepthwiseParameters(weights, lanes, kind, thresholds, output, 0, pixels, loadable=True,
                                             weight=weight))
        expected.append(sums if thresholds is None else (sums[..., None] >= thresholds).sum(axis=-1))
    assert trainings[0].output == trainings[1].output
    arriving = frames.reshape(3, pixels, -1, lanes, taps).swapaxes(3, 4).reshape(3, -1)
    check(check_unit, check_integers, without_load, DepthwiseUnit, trainings, arriving, lanes, expected, stalls, rng)


@pytest.mark.parametrize(("changes", "message"), [
    ({"loadable": False}, "weight is what weights that are loaded may be: only of loadable ones"),
    ({"weight": (-1, 1)}, "weights must lie from -1 to 1, not 2 to 2"),
])
def test_only_what_is_loaded_is_declared_and_holds(changes, message):
    given = {"loadable": True, "weight": IntType(2)} | changes
    with pytest.raises(ValueError, match=f"^{message}$"):
        DepthwiseParameters(np.full((2, 2), 2), 1, IntType(2), **given)
