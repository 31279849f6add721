"""A sparse engine behind a checked load: the second matrix from a coded stream, and nothing from a damaged one."""

import warnings

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding.coded import decode, encode
from gatewright.coding.lfsr import Lfsr
from gatewright.hdl.checked_load import CheckedLoadParameters, CheckedUnit
from gatewright.hdl.number import IntType
from gatewright.hdl.sparse import LfsrParameters, SparseMatrixVectorUnit, SparseParameters

INPUT = IntType(4)


def pair(rng, rows, columns, elements, density, values=7, code_bits=3, **options):
    """Two matrices for one engine."""
    matrices = [rng.choice(rng.integers(-9, 10, size=values), size=(rows, columns))
                * (rng.random((rows, columns)) < density) for _ in range(2)]
    room = max(int(SparseParameters(weights, elements, input=INPUT, run_bits=options["run_bits"]).csc.counts.sum(
        axis=0).max()) for weights in matrices)
    return [SparseParameters(weights, elements, input=INPUT, memory="loadable", code_bits=code_bits,
                             weight_type=IntType(5, signed=True), entries_capacity=max(1, room), **options)
            for weights in matrices]


def simulated(unit, bench):
    with warnings.catch_warnings():
        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()


async def load(ctx, unit, stream):
    """Send a stream, and wait for the verdict."""
    for place, word in enumerate(stream):
        ctx.set(unit.load.valid, 1)
        ctx.set(unit.load.payload, {"data": int(word), "last": place == len(stream) - 1})
        while not ctx.get(unit.load.ready):
            await ctx.tick()
        await ctx.tick()
    ctx.set(unit.load.valid, 0)
    while not ctx.get(unit.load.ready):
        await ctx.tick()
    return ctx.get(unit.error), ctx.get(unit.loaded)


async def computed(ctx, unit, check_unit, vectors, rng):
    p = unit.parameters
    words = check_unit.to_words(vectors, p.lanes, p.input.bits, rng)
    found = []
    ctx.set(unit.o.ready, 1)
    while len(found) < len(vectors) * p.words_out:
        ctx.set(unit.i.valid, bool(words))
        if words:
            ctx.set(Value.cast(unit.i.payload), words[0])
            if ctx.get(unit.i.ready):
                words.pop(0)
        if ctx.get(unit.o.valid):
            found.append(ctx.get(Value.cast(unit.o.payload)))
        await ctx.tick()
    return check_unit.from_words(found, p.rows, p.lanes_out, p.output.bits, p.output.signed).tolist()


def check(check_unit, trainings, rng):
    """Computes as built; a bad load; with the second; with the first."""
    first, second = trainings
    layout, vectors = first.load_layout, rng.integers(0, 16, size=(3, first.columns))
    assert layout == second.load_layout
    unit = CheckedUnit(SparseMatrixVectorUnit(first), CheckedLoadParameters(layout, "engine"))
    streams = [encode(layout, p.load_words, "engine") for p in trainings]
    assert [tuple(decode(layout, stream, "engine")) for stream in streams] == [p.load_words for p in trainings]
    damaged = streams[1].copy()
    damaged[rng.integers(len(damaged))] ^= np.uint32(1 << rng.integers(32))

    async def bench(ctx):
        assert await computed(ctx, unit, check_unit, vectors, rng) == (vectors @ first.weights.T).tolist()
        for p, stream in zip((second, first), reversed(streams), strict=True):
            assert await load(ctx, unit, damaged) == (1, 0)
            assert not ctx.get(unit.i.ready)
            assert await load(ctx, unit, stream) == (0, 1)
            assert await computed(ctx, unit, check_unit, vectors, rng) == (vectors @ p.weights.T).tolist()

    simulated(unit, bench)


@settings(max_examples=5)
@given(rows=st.integers(1, 10), columns=st.integers(1, 6), elements=st.sampled_from([1, 2]),
       reads=st.sampled_from([1, 2, 8]), run_bits=st.integers(1, 4), density=st.sampled_from([0.1, 0.5, 1.0]),
       seed=st.integers(0, 2**32 - 1))
def test_another_matrix_comes_as_a_coded_stream(check_unit, rows, columns, elements, reads, run_bits, density, seed):
    rng = np.random.default_rng(seed)
    check(check_unit, pair(rng, rows, columns, elements, density, read_width=reads, run_bits=run_bits), rng)


def test_so_does_one_that_a_shift_register_masks(check_unit):
    rng, index = np.random.default_rng(1), Lfsr(20, 6, 4, 2)
    check(check_unit, [LfsrParameters(rng.choice([-3, 1, 2, 7], size=(20, 6)) * index.mask, 4, index=index, input=INPUT,
                                      memory="loadable", weight_type=IntType(5, signed=True)) for _ in range(2)], rng)


def test_every_flipped_bit_is_flagged_and_nothing_computes_on_it(check_unit):
    rng = np.random.default_rng(2)
    first, second = pair(rng, 4, 2, 2, 0.5, values=1, code_bits=1, read_width=2, run_bits=1)
    vectors = rng.integers(0, 16, size=(2, 2))
    unit = CheckedUnit(SparseMatrixVectorUnit(first), CheckedLoadParameters(first.load_layout, "engine"))
    stream = encode(first.load_layout, second.load_words, "engine")
    assert not np.array_equal(first.weights, second.weights)

    async def bench(ctx):
        for place in range(32 * len(stream)):
            damaged = stream.copy()
            damaged[place // 32] ^= np.uint32(1 << place % 32)
            assert await load(ctx, unit, damaged) == (1, 0)
            ctx.set(unit.i.valid, 1)
            for _ in range(3):
                await ctx.tick()
                assert not ctx.get(unit.i.ready)
                assert not ctx.get(unit.o.valid)
            ctx.set(unit.i.valid, 0)
            if place % 40 == 0:
                assert await load(ctx, unit, stream) == (0, 1)
                assert await computed(ctx, unit, check_unit, vectors, rng) == (vectors @ second.weights.T).tolist()

    simulated(unit, bench)


def test_the_coded_stream_is_shorter_than_the_words():
    """A pruned matrix with a codebook, most entries close to each other."""
    rng = np.random.default_rng(3)
    weights = np.rint(rng.normal(size=(128, 64)) * 4).astype(np.int64) * (rng.random((128, 64)) < 0.2)
    p = SparseParameters(weights, 4, input=INPUT, memory="loadable")
    assert 32 * len(encode(p.load_layout, p.load_words, "engine")) < 0.9 * p.load_layout.plain_bits


@pytest.mark.parametrize("elements", [1, 4])
def test_the_layout_follows_the_order_of_the_words(elements):
    """Also where a word of pointers has the very field of a word of the codebook, with the entries between them."""
    weights = np.array([[5, -3, 0, 9]] * 4)
    for bits in range(5, 9):
        p = SparseParameters(weights, elements, input=INPUT, memory="loadable", code_bits=2, read_width=1,
                             weight_type=IntType(bits, signed=True), entries_capacity=1 << bits)
        assert p.pointer_bits == p.weight.bits
        assert tuple(decode(p.load_layout, encode(p.load_layout, p.load_words, "e"), "e")) == p.load_words


def test_wide_weights_are_not_coded_for_the_decoders_memory_sake():
    """Without a codebook, 10-bit weights would need a table of 1,024 symbols in the decoder."""
    weights = np.arange(-500, 500, 7).reshape(11, 13)
    p = SparseParameters(weights, 2, input=INPUT, memory="loadable", code_bits=10)
    assert not p.coded
    assert p.load_layout.tables == (4,)  # that of the runs
    assert tuple(decode(p.load_layout, encode(p.load_layout, p.load_words, "e"), "e")) == p.load_words
