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


@settings(max_examples=60)
@given(rows=st.integers(1, 40), columns=st.integers(1, 24), elements=st.integers(1, 8), data=st.data(),
       lanes=st.integers(1, 9), run_bits=st.integers(1, 5), depth=st.integers(1, 9), reads=st.sampled_from([1, 2, 8]),
       kind=st.builds(IntType, st.integers(1, 16), st.booleans()), density=densities, active=densities, stalls=stalls,
       seed=seeds)
def test_any_matrix_times_any_vectors(check_engine, rows, columns, elements, data, lanes, run_bits, depth, reads, kind,
                                      density, active, stalls, seed):
    rng = np.random.default_rng(seed)
    lanes_out = data.draw(st.sampled_from([n for n in range(1, elements + 1) if elements % n == 0]))
    weights = sparse(rng, (rows, columns), density, rng.integers(-200, 201, size=rng.integers(1, 17)))
    vectors = activations(rng, kind, (5, columns), active)
    unit = SparseMatrixVectorUnit(SparseParameters(weights, elements, lanes=lanes, lanes_out=lanes_out,
                                                   run_bits=run_bits, depth=depth, read_width=reads, input=kind))
    assert check_engine(unit, vectors, stalls, rng).tolist() == (vectors @ weights.T).tolist()


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
