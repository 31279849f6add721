"""Sparse engines whose matrix is loaded: as built at first, then as the words make them, values and cycles alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding.coded import decode, encode
from gatewright.coding.lfsr import Lfsr
from gatewright.hdl.number import IntType
from gatewright.hdl.sparse import LfsrParameters, SparseMatrixVectorUnit, SparseParameters

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
stalls = st.tuples(patterns, patterns)
seeds = st.integers(0, 2**32 - 1)
BYTE = IntType(8, signed=True)


def loading(unit, words):
    """A testbench that loads words, with gaps between some."""

    async def bench(ctx):
        for number, word in enumerate(words):
            if number % 3 == 0:
                ctx.set(unit.load.valid, 0)
                await ctx.tick()
            ctx.set(unit.load.payload, word)
            ctx.set(unit.load.valid, 1)
            assert ctx.get(unit.load.ready)
            await ctx.tick()
        ctx.set(unit.load.valid, 0)

    return bench


class Loaded:
    """A unit that holds what it is loaded with: what ``check_engine`` takes for a unit of those parameters."""

    def __init__(self, built, parameters):
        self.parameters, self.built = parameters, built

    def run(self, simulate, words, *others):
        unit = SparseMatrixVectorUnit(self.built)
        return simulate(unit, *others, first=loading(unit, words))


def check(check_unit, check_engine, first, second, vectors, stalls, rng):
    """As built; loaded with others; loaded with those and then again with the first."""
    assert first.load_bits == second.load_bits
    assert len(first.load_words) == len(second.load_words)
    assert max(map(max, (first.load_words, second.load_words))).bit_length() <= first.load_bits
    built = SparseMatrixVectorUnit(first)
    assert check_engine(built, vectors, stalls, rng).tolist() == (vectors @ first.weights.T).tolist()
    for p, words in ((second, second.load_words), (first, second.load_words + first.load_words)):
        loaded = Loaded(first, p)
        got = check_engine(loaded, vectors, stalls, rng,
                           lambda unit, *others, words=words: unit.run(check_unit.simulate, words, *others))
        assert got.tolist() == (vectors @ p.weights.T).tolist()


@settings(max_examples=18)
@given(rows=st.integers(1, 24), columns=st.integers(1, 12), elements=st.integers(1, 6), room=st.integers(0, 9),
       reads=st.sampled_from([1, 2, 8]), run_bits=st.integers(1, 4), values=st.integers(1, 16),
       density=st.sampled_from([0.1, 0.5]), degree=st.integers(0, 1), stalls=stalls, seed=seeds)
def test_another_matrix_takes_the_place_of_the_first(check_unit, check_engine, rows, columns, elements, room, reads,
                                                     run_bits, values, density, degree, stalls, seed):
    rng = np.random.default_rng(seed)
    matrices = [rng.choice(rng.integers(-99, 100, size=values), size=(rows, columns))
                * (rng.random((rows, columns)) < density) for _ in range(2)]
    most = max(SparseParameters(weights, elements, input=BYTE, run_bits=run_bits).csc.pointers[:, -1].max()
               for weights in matrices)
    given_ = {"input": BYTE, "run_bits": run_bits, "read_width": reads, "code_bits": 5, "memory": "loadable",
              "weight_type": IntType(8, signed=True), "entries_capacity": max(1, int(most) + room),
              "pipeline": degree}
    first, second = (SparseParameters(weights, elements, **given_) for weights in matrices)
    assert first.coded
    assert (first.accumulator, first.memory_bits) == (second.accumulator, second.memory_bits)
    check(check_unit, check_engine, first, second, rng.integers(-128, 128, size=(3, columns)), stalls, rng)


def test_weights_that_are_no_codes(check_unit, check_engine):
    rng = np.random.default_rng(1)
    first, second = (SparseParameters(
        rng.integers(-8, 8, size=(9, 5)) * (rng.random((9, 5)) < 0.5), 2, input=BYTE, memory="loadable", code_bits=4,
        weight_type=IntType(4, signed=True), entries_capacity=40) for _ in range(2))
    assert not first.coded
    check(check_unit, check_engine, first, second, rng.integers(-128, 128, size=(3, 5)), ([1], [1]), rng)


def test_an_engine_with_a_shift_register_loads_no_index(check_unit, check_engine):
    rng, index = np.random.default_rng(2), Lfsr(20, 6, 4, 2)
    first, second = (LfsrParameters(rng.choice(values, size=(20, 6)) * index.mask, 4, index=index, input=BYTE,
                                    memory="loadable", code_bits=2, weight_type=IntType(7, signed=True))
                     for values in ([3, -7, 60], [-64, 1, 2]))
    assert [part.name for part in first.load_parts()] == ["codebook", *(f"entries{k}" for k in range(4))]
    check(check_unit, check_engine, first, second, rng.integers(-128, 128, size=(3, 6)), ([1], [1]), rng)


def test_memories_of_a_large_engine_can_be_loaded(check_engine, in_verilator):
    """64 elements share their pointers' memories as a load word has room; built in Verilog they compute as before."""
    rng = np.random.default_rng(3)
    weights, vectors = rng.integers(-3, 4, size=(300, 40)), rng.integers(-128, 128, size=(3, 40))
    p = SparseParameters(weights, 16, input=BYTE, memory="loadable", read_width=4)
    assert p.load_bits == 4 * (3 + 4)
    unit = SparseMatrixVectorUnit(p)
    got = check_engine(unit, vectors, ([1], [1]), rng, in_verilator(unit))
    assert got.tolist() == (vectors @ weights.T).tolist()


def test_a_coded_stream_knows_codes_from_runs():
    rng = np.random.default_rng(4)
    weights = rng.choice([-3000, 20, 5], size=(200, 30)) * (rng.random((200, 30)) < 0.1)
    p = SparseParameters(weights, 8, input=BYTE, memory="loadable")
    layout = p.load_layout
    assert layout.tables == (2, 4)
    assert (layout.words, layout.bits) == (len(p.load_words), p.load_bits)
    assert tuple(decode(layout, encode(layout, p.load_words, "fc"), "fc")) == p.load_words


@pytest.mark.parametrize(("changes", "message"), [
    ({"weight_type": IntType(3)}, "weight_type is what weights that are loaded may be: only with memory 'loadable'"),
    ({"memory": "loadable", "weight_type": IntType(2)}, "weights must be of type uint2, not 5 to 5"),
    ({"memory": "loadable", "entries_capacity": 7},
     "entries_capacity must be at least the 8 entries of the fullest element, not 7"),
])
def test_parameters_say_what_must_hold(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        SparseParameters(np.full((4, 4), 5), 2, input=BYTE, **changes)
