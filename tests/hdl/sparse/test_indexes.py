"""Engines that store no index: LFSR and hash against NumPy (values) and against the schedule (cycles), under stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding.lfsr import Lfsr
from gatewright.coding.xxhash32 import Hash
from gatewright.hdl.number import IntType
from gatewright.hdl.sparse import HashParameters, LfsrParameters, SparseMatrixVectorUnit, SparseParameters

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
stalls = st.tuples(patterns, patterns)
seeds = st.integers(0, 2**32 - 1)
engines = {"lanes": st.integers(1, 9), "depth": st.integers(1, 9),
           "kind": st.builds(IntType, st.integers(1, 10), st.booleans()), "active": st.sampled_from([0.0, 0.3, 1.0]),
           "stalls": stalls, "seed": seeds}


def vectors_of(rng, kind, columns, active):
    return rng.integers(kind.lo, kind.hi + 1, size=(4, columns)) * (rng.random((4, columns)) < active)


def divisors(number):
    return st.sampled_from([n for n in range(1, number + 1) if number % n == 0])


@settings(max_examples=50)
@given(rows=st.integers(1, 40), columns=st.integers(1, 24), elements=st.integers(1, 8), data=st.data(),
       reads=st.sampled_from([1, 2, 8]), width=st.integers(12, 32), values=st.integers(1, 20), **engines)
def test_any_matrix_that_a_shift_register_masks(check_engine, rows, columns, elements, data, reads, width, values,
                                                lanes, depth, kind, active, stalls, seed):
    rng = np.random.default_rng(seed)
    index = Lfsr(rows, columns, elements, data.draw(st.integers(1, -(-rows // elements))), seed, width)
    weights = rng.choice(rng.integers(-200, 201, size=values), size=(rows, columns)) * index.mask
    p = LfsrParameters(weights, elements, index=index, lanes=lanes, lanes_out=data.draw(divisors(elements)),
                       depth=depth, read_width=reads, input=kind, pipeline=data.draw(st.integers(0, 1)))
    assert (p.counts == index.kept).all()
    vectors = vectors_of(rng, kind, columns, active)
    assert check_engine(SparseMatrixVectorUnit(p), vectors, stalls, rng).tolist() == (vectors @ weights.T).tolist()


@settings(max_examples=40)
@given(rows=st.integers(1, 40), columns=st.integers(1, 16), elements=st.integers(1, 8), data=st.data(),
       size=st.integers(0, 7), **engines)
def test_any_matrix_that_a_hash_spreads(check_engine, rows, columns, elements, data, size, lanes, depth, kind, active,
                                        stalls, seed):
    rng = np.random.default_rng(seed)
    banks = data.draw(st.sampled_from([n for n in (1, 2, 4, 8) if elements % n == 0 and n <= 1 << size]))
    index = Hash(1 << size, seed, banks)
    weights = index.matrix(rng.integers(-99, 100, size=1 << size), rows, columns)
    p = HashParameters(weights, elements, index=index, lanes=lanes, lanes_out=data.draw(divisors(elements)),
                       depth=depth, input=kind, pipeline=data.draw(st.integers(0, 1)))
    assert np.array_equal(index.matrix(p.real, rows, columns), weights)
    vectors = vectors_of(rng, kind, columns, active)
    assert check_engine(SparseMatrixVectorUnit(p), vectors, stalls, rng).tolist() == (vectors @ weights.T).tolist()


def test_memory_bits_of_the_three_indexes():
    """One matrix of 64 x 32 on 4 elements, 2 of 16 slots kept, 3-bit codes; sums and queues are beside the point."""
    index = Lfsr(64, 32, 4, 2)
    rng = np.random.default_rng(0)
    weights = rng.choice([-40, -9, -2, 1, 3, 7, 50], size=(64, 32)) * index.mask
    rest = {"accumulators", "queues"}
    lfsr = LfsrParameters(weights, 4, index=index, input=IntType(8))
    assert {key: bits for key, bits in lfsr.memory_bits.items() if key not in rest} == {
        "entries": 4 * 64 * 3, "codebook": 4 * 8 * 7}
    runs = SparseParameters(weights, 4, input=IntType(8), run_bits=4)
    assert runs.memory_bits["entries"] >= 4 * 64 * 7
    assert runs.memory_bits["pointers"] == 33 * 4 * runs.pointer_bits
    shared = Hash(256)
    hashed = HashParameters(shared.matrix(rng.integers(-127, 128, 256), 64, 32), 4, index=shared, input=IntType(8))
    assert hashed.memory_bits["weights"] == 4 * 256 * 8
    banked = Hash(256, 0, 4)
    hashed = HashParameters(banked.matrix(rng.integers(-127, 128, 256), 64, 32), 4, index=banked, input=IntType(8))
    assert hashed.memory_bits["weights"] == 256 * 8


def of_lfsr(**changes):
    index = Lfsr(8, 3, 2, 1)
    return LfsrParameters(**({"weights": 5 * index.mask, "elements": 2, "index": index, "input": IntType(4)} | changes))


def of_hash(**changes):
    index = Hash(4, 0, 2)
    given_ = {"weights": index.matrix(np.arange(4), 8, 3), "elements": 2, "index": index, "input": IntType(4)}
    return HashParameters(**(given_ | changes))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: of_lfsr(elements=4), "elements must be the index's 2, not 4"),
    (lambda: of_lfsr(weights=np.ones((8, 3))), r"weights must be 0 where the mask is: row \d of column 0 is not"),
    (lambda: of_lfsr(weights=np.ones((8, 4))), r"weights must be a matrix \[8, 3\], not an array of shape \(8, 4\)"),
    (lambda: of_hash(weights=np.arange(24).reshape(8, 3)),
     r"the matrix must have one real weight behind all places of a hash, unlike row \d of column \d"),
    (lambda: of_hash(elements=3), "the index's banks must divide the 3 elements, not 2"),
])
def test_a_matrix_that_is_not_the_indexs_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()
