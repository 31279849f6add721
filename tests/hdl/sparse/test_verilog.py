"""The sparse engine's Verilog in Verilator: 64 elements, memory files, elements as instances of one module, resets."""

import numpy as np
import pytest

from gatewright.coding.lfsr import Lfsr
from gatewright.coding.xxhash32 import Hash
from gatewright.compiler.emit import emit_unit
from gatewright.hdl.number import IntType
from gatewright.hdl.sparse import HashParameters, LfsrParameters, SparseMatrixVectorUnit, SparseParameters

NO_STALLS = [1], [1]


def weights_of(rng, shape, density, values=15):
    return rng.choice(rng.integers(-2000, 2001, size=values), size=shape) * (rng.random(shape) < density)


def vectors_of(rng, count, columns, kind, active):
    return rng.integers(kind.lo, kind.hi + 1, size=(count, columns)) * (rng.random((count, columns)) < active)


def test_64_elements(check_engine, in_verilator):
    """EIE's own size: 16-bit activations, 16 weights in the codebook, 4-bit runs, queues of 8."""
    rng, kind = np.random.default_rng(0), IntType(16, signed=True)
    weights, vectors = weights_of(rng, (600, 300), 0.1), vectors_of(rng, 6, 300, kind, 0.35)
    unit = SparseMatrixVectorUnit(SparseParameters(weights, 64, lanes=8, lanes_out=4, input=kind))
    run = in_verilator(unit)
    for stalls in (NO_STALLS, (rng.integers(0, 2, 97), rng.integers(0, 2, 89)), ([1], [0] * 30 + [1])):
        assert check_engine(unit, vectors, stalls, rng, run).tolist() == (vectors @ weights.T).tolist()


def lfsr(rng):
    index = Lfsr(40, 30, 4, 3)
    return LfsrParameters(weights_of(rng, (40, 30), 1) * index.mask, 4, index=index, lanes_out=2, input=IntType(8))


def hashed(rng):
    index = Hash(32, 7, 2)
    return HashParameters(index.matrix(rng.integers(-99, 100, size=32), 40, 30), 4, index=index, input=IntType(8))


def many_values(rng):
    return SparseParameters(weights_of(rng, (40, 30), 0.3, 100), 4, lanes=3, read_width=2, depth=20, input=IntType(8))


@pytest.mark.parametrize("make", [lfsr, hashed, many_values], ids=lambda make: make.__name__)
def test_every_index(check_engine, in_verilator, make):
    rng = np.random.default_rng(1)
    p = make(rng)
    unit, vectors = SparseMatrixVectorUnit(p), vectors_of(rng, 5, p.columns, p.input, 0.5)
    stalls = rng.integers(0, 2, 97), rng.integers(0, 2, 89)
    got = check_engine(unit, vectors, stalls, rng, in_verilator(unit, x_initial="unique"))
    assert got.tolist() == (vectors @ p.weights.T).tolist()


def test_a_reset_amid_a_vector_leaves_nothing_behind(check_unit, check_engine, in_verilator):
    """Sums that stood in the memories are gone, and after a reset without a vector inside not a cycle is lost."""
    rng, kind = np.random.default_rng(2), IntType(8)
    weights, vectors = weights_of(rng, (30, 20), 0.5), vectors_of(rng, 4, 20, kind, 0.8)
    unit = SparseMatrixVectorUnit(SparseParameters(weights, 3, lanes=2, input=kind))
    run, golden = in_verilator(unit), (vectors @ weights.T).tolist()
    words = check_unit.to_words(vectors, 2, kind.bits, rng)
    for cycles in range(5, 380, 13):
        run.simulation.reset()
        assert not run.cut(words, [1], [1, 1, 0], 120, cycles).finished
        got, _, _ = run(unit, words, [1], [1, 0], 120)
        assert check_unit.from_words(got, 30, 1, unit.parameters.output.bits, True).tolist() == golden
        assert check_engine(unit, vectors, NO_STALLS, rng, run).tolist() == golden


def test_a_reset_in_the_cycle_of_the_last_read_zeroes_what_was_read(check_engine, in_verilator):
    """Vectors of one word each, and no other vector inside that would call for all sums to be zeroed."""
    rng, kind = np.random.default_rng(3), IntType(8)
    weights, vectors = weights_of(rng, (3, 4), 1), vectors_of(rng, 3, 4, kind, 1)
    unit = SparseMatrixVectorUnit(SparseParameters(weights, 3, lanes=4, lanes_out=3, input=kind))
    run, golden = in_verilator(unit), (vectors @ weights.T).tolist()
    word = [int.from_bytes(vectors[0].astype(np.uint8).tobytes(), "little")]
    for cycles in range(1, 14):
        run.simulation.reset()
        assert not run.cut(word, [1], [1], 1, cycles).finished
        run.simulation.reset(24)
        assert check_engine(unit, vectors, NO_STALLS, rng, run).tolist() == golden


def test_a_large_matrix_is_in_memory_files_and_one_module_for_all_elements():
    """1.2 M weights on 64 elements, 4 % of them other than 0."""
    rng = np.random.default_rng(3)
    files = emit_unit(SparseMatrixVectorUnit(SparseParameters(weights_of(rng, (600, 2000), 0.04), 64, lanes=8,
                                                              input=IntType(8))), "engine")
    memories = [f"engine_entries{k}" for k in range(64)] + ["engine_pointers_even", "engine_pointers_odd"]
    assert sorted(files) == sorted(["engine.v", *(f"{name}.{kind}" for name in memories for kind in ("v", "hex"))])
    text = files["engine.v"]
    assert [line.split("(")[0].split()[1] for line in text.splitlines() if line.startswith("module ")] == [
        "engine", "engine_element", "\\engine_element.queue"]
    assert len(text) < 500_000
