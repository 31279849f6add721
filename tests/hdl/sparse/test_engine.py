"""The sparse engine against NumPy (values) and against its schedule (cycles), under random stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.sparse import SparseMatrixVectorUnit, SparseParameters

patterns = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])
stalls = st.tuples(patterns, patterns)
seeds = st.integers(0, 2**32 - 1)
densities = st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.6, 1.0])
NO_STALLS = [1], [1]


def sparse(rng, shape, density, values):
    return rng.choice(values, size=shape) * (rng.random(shape) < density)


def activations(rng, kind, shape, density):
    return rng.integers(kind.lo, kind.hi + 1, size=shape) * (rng.random(shape) < density)


def holes(rng, weights):
    """The matrix without some of its rows and columns."""
    rows, columns = weights.shape
    return weights * (rng.random((rows, 1)) < 0.7) * (rng.random(columns) < 0.7)


@settings(max_examples=40)
@given(rows=st.integers(1, 40), columns=st.integers(1, 24), elements=st.integers(1, 8), data=st.data(),
       lanes=st.integers(1, 9), run_bits=st.integers(1, 5), depth=st.sampled_from([1, 1, 2, 3, 4, 5, 8, 17]),
       reads=st.sampled_from([1, 2, 8]), kind=st.builds(IntType, st.integers(1, 16), st.booleans()),
       positions=st.integers(1, 3), density=densities, active=densities, stalls=stalls, seed=seeds)
def test_any_matrix_times_any_vectors(check_engine, rows, columns, elements, data, lanes, run_bits, depth, reads, kind,
                                      positions, density, active, stalls, seed):
    rng = np.random.default_rng(seed)
    lanes_out = data.draw(st.sampled_from([n for n in range(1, elements + 1) if elements % n == 0]))
    weights = holes(rng, sparse(rng, (rows, columns), density, rng.integers(-200, 201, size=rng.integers(1, 17))))
    vectors = activations(rng, kind, (6, columns), active)
    p = SparseParameters(weights, elements, lanes=lanes, lanes_out=lanes_out, run_bits=run_bits, depth=depth,
                         read_width=reads, input=kind, positions=positions, pipeline=data.draw(st.integers(0, 3)))
    got = check_engine(SparseMatrixVectorUnit(p), vectors, stalls, rng)
    assert got.tolist() == (vectors @ weights.T).tolist()


@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (30, 1), (30, 20)], ids=str)
@pytest.mark.parametrize("weight", [0, -7], ids=["zeros", "one value"])
@pytest.mark.parametrize("activation", [0, 9], ids=["no activation", "all activations"])
def test_the_ends(check_engine, shape, weight, activation):
    """Matrices of zeros and without any, of a single value, of one row and of one column; vectors likewise."""
    rng = np.random.default_rng(0)
    weights, vectors = np.full(shape, weight), np.full((4, shape[1]), activation)
    unit = SparseMatrixVectorUnit(SparseParameters(weights, 6, lanes=4, lanes_out=3, depth=1, input=IntType(4)))
    assert check_engine(unit, vectors, NO_STALLS, rng).tolist() == (vectors @ weights.T).tolist()


@pytest.mark.parametrize("elements", [16, 33, 64])
def test_many_elements(check_engine, elements):
    rng = np.random.default_rng(elements)
    weights, vectors = sparse(rng, (150, 12), 0.3, [3, -5, 70]), activations(rng, IntType(8), (3, 12), 0.6)
    unit = SparseMatrixVectorUnit(SparseParameters(weights, elements, lanes=4, depth=2, input=IntType(8)))
    stalls = rng.integers(0, 2, size=(2, 31)).tolist()
    assert check_engine(unit, vectors, stalls, rng).tolist() == (vectors @ weights.T).tolist()


def test_a_lone_entry_is_out_eleven_cycles_after_it_came_in(check_unit):
    """Word, column, pointers, queue, a cycle of work; four for its weight and its sum; two stages at the output."""
    unit = SparseMatrixVectorUnit(SparseParameters(np.array([[3]]), 1, input=IntType(8)))
    got, taken_at, given_at = check_unit.simulate(unit, [5], [1], [1], 1)
    assert (got, taken_at, given_at) == ([15], [0], [11])


def test_runs_that_no_entry_can_say(check_engine):
    """A weight in the last of 300 slots, behind 299 zeros: 18 entries of value 0 lead to it."""
    rng = np.random.default_rng(3)
    weights, vectors = np.zeros((300, 3), np.int64), rng.integers(1, 9, size=(3, 3))
    weights[299] = 5
    p = SparseParameters(weights, 1, input=IntType(4))
    assert p.counts.tolist() == [[19]] * 3
    assert p.csc.padding == 54
    got = check_engine(SparseMatrixVectorUnit(p), vectors, NO_STALLS, rng)
    assert got.tolist() == (vectors @ weights.T).tolist()


@pytest.mark.parametrize("kind", [IntType(16), IntType(16, signed=True), IntType(1)], ids=str)
def test_sums_reach_both_ends_of_the_accumulator(check_engine, kind):
    rng = np.random.default_rng(4)
    weights = np.where(np.arange(8)[:, None] % 2 == 0, 32767, -32768) * np.ones((8, 9), np.int64)
    vectors = np.array([[end] * 9 for end in (kind.lo, kind.hi)])
    p = SparseParameters(weights, 2, input=kind)
    got = check_engine(SparseMatrixVectorUnit(p), vectors, NO_STALLS, rng)
    assert got.tolist() == (vectors @ weights.T).tolist()
    assert p.accumulator == IntType.spanning(int(got.min()), int(got.max()))


def test_a_caller_who_knows_the_activations_gets_narrower_sums(check_engine):
    rng = np.random.default_rng(5)
    weights, vectors = rng.integers(1, 4, size=(6, 9)), rng.integers(0, 2, size=(4, 9))
    p = SparseParameters(weights, 3, input=IntType(8), accumulator=IntType(5), output=IntType(7))
    assert p.memory_bits["accumulators"] == 2 * 6 * 5
    got = check_engine(SparseMatrixVectorUnit(p), vectors, NO_STALLS, rng)
    assert got.tolist() == (vectors @ weights.T).tolist()


def test_one_slot_an_element_is_read_as_soon_as_it_is_complete(check_engine):
    """Every entry adds to the sum that the one before has just written."""
    rng = np.random.default_rng(1)
    weights, vectors = rng.integers(1, 9, size=(4, 7)), rng.integers(1, 200, size=(6, 7))
    unit = SparseMatrixVectorUnit(SparseParameters(weights, 4, lanes=7, lanes_out=4, input=IntType(8)))
    assert check_engine(unit, vectors, NO_STALLS, rng).tolist() == (vectors @ weights.T).tolist()


def test_sums_wait_for_a_reader_while_the_next_vectors_are_worked_on(check_engine):
    rng = np.random.default_rng(2)
    weights, vectors = rng.integers(-9, 9, size=(9, 3)), rng.integers(1, 200, size=(12, 3))
    unit = SparseMatrixVectorUnit(SparseParameters(weights, 4, lanes=3, lanes_out=2, input=IntType(8)))
    slow = [1], [0] * 40 + [1]
    assert check_engine(unit, vectors, slow, rng).tolist() == (vectors @ weights.T).tolist()


@pytest.mark.parametrize(("changes", "message"), [
    ({"weights": np.ones(4)}, r"weights must be a matrix \[rows, columns\], not an array of shape \(4,\)"),
    ({"elements": 0}, "elements must be a positive integer, not 0"),
    ({"lanes_out": 3}, "lanes_out must divide the 4 elements, not 3"),
    ({"read_width": 6}, "read_width must be a power of two, not 6"),
    ({"input": BIPOLAR}, "input must be a type that has a zero, not bipolar"),
    ({"memory": "tape"}, "memory must be one of rom, loadable, not 'tape'"),
    ({"weights": np.arange(1, 10).reshape(3, 3), "code_bits": 3},
     "code_bits must be at least 4 for a codebook of 9 values, not 3"),
])
def test_parameters_say_what_must_hold(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        SparseParameters(**({"weights": np.ones((4, 4)), "elements": 4, "input": IntType(8)} | changes))
