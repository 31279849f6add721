"""Weights from elsewhere: streamed from a unit of their own, or loaded while the design runs."""

import warnings

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.weights import WeightStreamer, WeightStreamerParameters

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=16).map(lambda bits: [*bits, 1])
seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from([BIPOLAR, IntType(3, signed=True), IntType(9)])
WEIGHTS = {
    "signs": lambda rng, size: rng.choice([-1, 1], size=size),
    "ternary": lambda rng, size: rng.choice([-1, 0, 1], size=size),
    "powers": lambda rng, size: rng.choice([-16, -1, 0, 1, 16], size=size),
    "int5": lambda rng, size: rng.integers(-16, 16, size=size),
    "levels": lambda rng, size: rng.choice([-999, 0, 1000], size=size),
}
makes = st.sampled_from(sorted(WEIGHTS))


def activations(rng, kind, size):
    return rng.choice([-1, 1], size=size) if kind.bipolar else rng.integers(kind.lo, kind.hi + 1, size=size)


@given(count=st.integers(1, 9), lanes=st.integers(1, 4), bits=st.integers(1, 5), repeats=st.integers(1, 3),
       accepts=patterns, seed=seeds)
@settings(max_examples=30)
def test_a_streamer_gives_its_words_again_and_again(check_unit, count, lanes, bits, repeats, accepts, seed):
    words = [int(word) for word in np.random.default_rng(seed).integers(0, 1 << lanes * bits, size=count)]
    unit = WeightStreamer(WeightStreamerParameters(words, lanes, bits, repeats))
    assert unit.schedule.words_in == ()
    got = check_unit(unit, {}, 2, {}, {"o": tuple(accepts)})
    assert got["o"] == words * repeats * 2


@given(rows=st.integers(1, 5), columns=st.integers(1, 9), groups=st.integers(1, 2), positions=st.integers(1, 2),
       kind=kinds, make=makes, data=st.data(), stalls=st.tuples(patterns, patterns, patterns), seed=seeds)
@settings(max_examples=40)
def test_streamed_weights_are_taken_one_word_a_phase(check_unit, rows, columns, groups, positions, kind, make, data,
                                                     stalls, seed):
    rng = np.random.default_rng(seed)
    pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    weights = WEIGHTS[make](rng, (rows * groups, columns))
    unit = MatrixVectorUnit(MatrixVectorParameters(weights, pe, simd, input=kind, groups=groups, positions=positions,
                                                   memory="streamed", pipeline=data.draw(st.integers(0, 3))))
    p = unit.parameters
    assert p.schedule.words_in == (positions * groups * -(-columns // simd), p.phases * positions)
    frames = activations(rng, kind, (2, positions, groups, columns))
    bits = (frames + 1) // 2 if kind.bipolar else frames
    words = {"i": check_unit.to_words(bits, simd, kind.bits, rng),
             "w": list(p.streamer().words) * positions * 2}
    got = check_unit(unit, words, 2, {"i": tuple(stalls[0]), "w": tuple(stalls[1])}, {"o": tuple(stalls[2])})
    dots = (frames[..., None, :] * weights.reshape(groups, rows, columns)).sum(axis=-1)
    found = check_unit.from_words(got["o"], rows, pe, p.output.bits, p.output.signed)
    assert found.reshape(dots.shape).tolist() == dots.tolist()


def loadable(rng, data, kind, make, rows, columns, levels, lane):
    pe, simd = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    degree = data.draw(st.integers(0, 3))

    def parameters(weights):
        span = int(np.abs(weights).sum(axis=1).max()) + 2
        thresholds = rng.integers(-span, span, size=(rows, levels)) if levels else None
        return MatrixVectorParameters(weights, pe, simd, thresholds, input=kind, lane=lane, memory="loadable",
                                      output=IntType(2) if levels else None, pipeline=degree)

    return parameters


def expected(p, frames):
    dots = frames @ p.weights.T
    return dots if p.thresholds is None else (dots[..., None] >= p.thresholds).sum(axis=-1)


cases = {"rows": st.integers(1, 5), "columns": st.integers(1, 9), "kind": kinds, "make": makes,
         "levels": st.integers(0, 3), "data": st.data(), "seed": seeds}


@settings(max_examples=40)
@given(stalls=st.tuples(patterns, patterns), **cases)
def test_a_unit_that_nobody_loads_has_its_first_weights(check_integers, without_load, rows, columns, kind, make, levels,
                                                        data, stalls, seed):
    rng = np.random.default_rng(seed)
    lane = None if kind.bipolar else data.draw(st.sampled_from([None, "serial"]))
    p = loadable(rng, data, kind, make, rows, columns, levels, lane)(WEIGHTS[make](rng, (rows, columns)))
    frames = activations(rng, kind, (3, columns))
    got = check_integers(without_load(MatrixVectorUnit(p)), frames, columns, rows, stalls, rng)
    assert got.tolist() == expected(p, frames).tolist()


@settings(max_examples=40)
@given(**cases)
def test_new_words_turn_a_unit_into_another(check_unit, rows, columns, kind, make, levels, data, seed):
    """First weights, then others loaded, then the first again: load words wrap."""
    rng = np.random.default_rng(seed)
    lane = None if kind.bipolar else data.draw(st.sampled_from([None, "serial"]))
    parameters = loadable(rng, data, kind, make, rows, columns, levels, lane)
    weights = WEIGHTS[make](rng, (rows, columns))
    # The same weights in other places have no other coding.
    first, second = parameters(weights), parameters(rng.permuted(weights.reshape(-1)).reshape(rows, columns))
    assert len(first.load_words) == len(second.load_words)
    unit, frames = MatrixVectorUnit(first), activations(rng, kind, (3, columns))
    bits = (frames + 1) // 2 if kind.bipolar else frames
    words, got = check_unit.to_words(bits, first.simd, kind.bits, rng), []

    async def bench(ctx):
        ctx.set(unit.o.ready, 1)
        for p in (first, second, first):
            for word in [] if not got else p.load_words:
                ctx.set(unit.load.payload, word)
                ctx.set(unit.load.valid, 1)
                assert ctx.get(unit.load.ready)
                await ctx.tick()
            ctx.set(unit.load.valid, 0)
            left, given = list(words), []
            while len(given) < 3 * first.row_folds:
                ctx.set(unit.i.valid, bool(left))
                if left:
                    ctx.set(Value.cast(unit.i.payload), left[0])
                if left and ctx.get(unit.i.ready):
                    left.pop(0)
                if ctx.get(unit.o.valid):
                    given.append(ctx.get(Value.cast(unit.o.payload)))
                await ctx.tick()
            got.append(check_unit.from_words(given, rows, first.pe, first.output.bits, first.output.signed))

    with warnings.catch_warnings():
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    assert [each.tolist() for each in got] == [expected(p, frames).tolist() for p in (first, second, first)]


def test_weights_of_a_declared_type_may_be_loaded_though_none_are_there_at_first():
    ternary = MatrixVectorParameters(np.ones((2, 2)), 1, 1, input=IntType(4), memory="loadable",
                                     weight=IntType(4, signed=True))
    assert (ternary.weight_bits, str(ternary.output)) == (4, "int9")
    with pytest.raises(ValueError, match=r"^weights must be of int4, not 9 to 9$"):
        MatrixVectorParameters(np.full((2, 2), 9), 1, 1, memory="loadable", weight=IntType(4, signed=True))


@pytest.mark.parametrize(("words", "numbers", "message"), [
    ([], (1, 1), "words must be one or more of 1 bits"),
    ([4], (2, 1), "words must be one or more of 2 bits"),
    ([1], (0, 1), "lanes must be a positive integer, not 0"),
    ([1], (1, 1, 0), "repeats must be a positive integer, not 0"),
])
def test_parameters_say_what_must_hold(words, numbers, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        WeightStreamerParameters(words, *numbers)
